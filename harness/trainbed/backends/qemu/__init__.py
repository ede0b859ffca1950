# SPDX-License-Identifier: Apache-2.0
"""The QEMU backend: Cortex-M boards of qemu-system-arm, each run a process of its own.

``guest`` is the Guest; ``process`` starts and ends QEMU; ``control`` speaks with our plugin inside it, ``monitor`` with
QEMU itself; ``count`` turns the plugin's counters into a Cost; ``faults`` explains a guest that parked itself.
"""
