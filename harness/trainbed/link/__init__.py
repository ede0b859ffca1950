# SPDX-License-Identifier: Apache-2.0
"""The link between host and guest: frames, messages, client, faults. Byte-level specification: docs/protocol.md."""
