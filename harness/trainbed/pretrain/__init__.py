# SPDX-License-Identifier: Apache-2.0
"""Training on the host before deployment, kept by content: the same scenario is not pre-trained twice."""
