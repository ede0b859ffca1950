# SPDX-License-Identifier: Apache-2.0
"""Runs as pages, comparisons and test results: what is kept beside result.json, and everything that is read from it.

Nothing of it is imported by a run but ``record``; matplotlib and jinja2 are imported where a page is drawn.
"""
