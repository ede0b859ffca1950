# SPDX-License-Identifier: Apache-2.0
"""Backends: what runs a firmware. base.py is the contract, registry.py finds and opens them."""
