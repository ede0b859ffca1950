# SPDX-License-Identifier: Apache-2.0
"""A complete result for tests to change."""

from __future__ import annotations

from trainbed.result import (
    BackendFacts,
    CostFacts,
    FirmwareFacts,
    MemoryFacts,
    ModelFacts,
    PerSample,
    Result,
    ScenarioFacts,
    StopReason,
    TestFacts,
    TrainingFacts,
    Verdict,
    WeightsFacts,
)


def a_result() -> Result:
    """A run that went well."""
    return Result(
        verdict=Verdict.FAILED,
        stop_reason=StopReason.COMPLETED,
        scenario=ScenarioFacts(name="a run"),
        board="arduino_nano_33_ble",
        backend=BackendFacts(name="unicorn", version="2.1.4"),
        model=ModelFacts(parameters=575, parameter_bytes=2300, macs_forward=3776),
        memory=MemoryFacts(
            training_bytes=9720, flash_bytes=14068, ram_bytes=71196, stack_bytes=324, stack_bound_bytes=328
        ),
        training=TrainingFacts(loss=(0.5, 0.2, 0.1 + 2**-50), accuracy=(0.3, 0.6, 0.9)),
        test=TestFacts(accuracy=0.75, loss=0.2, balanced_accuracy=0.625),
        cost=CostFacts(
            cost_class="modelled",
            model="cortex-m4/1",
            cycles_per_sample=PerSample(100.0, 200.0, 50.5, 350.5),
            memory_cycles_per_sample=PerSample(1.0, 2.0, 0.0, 3.0),
            instructions_per_sample=PerSample(90.0, 180.0, 40.0, 310.0),
            energy_uj_per_sample=22.3,
            emulated_mips=205.0,
            cycles_per_inference=120.0,
            wall_s=8.5,
        ),
        weights=WeightsFacts(file="weights.npz", sha256="ab"),
        firmware=FirmwareFacts(elf="firmware.elf", sha256="cd"),
        versions={"trainbed": "0.1.0", "compiler": "gcc 12"},
        host={"machine": "x86_64"},
    )
