# SPDX-License-Identifier: Apache-2.0
*** Settings ***
Documentation       Fully quantized training with dynamic partial gradient updates: a convolutional network trained in 8 bits
...                 throughout, on three Cortex-M.

Resource            trainbed.resource


*** Test Cases ***
Network Learns In 8 Bits
    Boot Scenario    conv311k_uint8
    Train To The End
    Loss Should Decrease By    0.9
    Test Accuracy Should Be At Least    0.95
    Weights Should Equal Reference
    Training Memory Should Be At Most    18400
    ${weights}=    Get Weights Digest
    Set Suite Variable    ${WEIGHTS}    ${weights}

It Stays Within Its Cycles
    [Tags]    cycles
    Cycles Per Sample Should Be At Most    1500000
    ${whole}=    Get Result
    Set Suite Variable    ${WHOLE}    ${whole}

Partial Updates Cost Less Backward
    [Tags]    cycles
    Boot Scenario    conv311k_uint8    update={dynamic: {lambda_min: 0.1}}    expect={}
    Train To The End
    Loss Should Decrease By    0.5
    ${partial}=    Get Result
    Should Be True    ${partial.training.update_share[-1]} < 0.5
    Should Be True    ${partial.cost.cycles_per_sample.backward} < 0.5 * ${WHOLE.cost.cycles_per_sample.backward}

Other Cores End With The Same Weights
    [Tags]    slow
    Skip If    '${BOARD}' or '${BACKEND}'    on boards of its own
    FOR    ${board}    IN    teensy40    raspberry_pi_pico    stm32f746g_disco    native
        Boot Scenario    conv311k_uint8    board=${board}    expect={}
        Train To The End
        ${weights}=    Get Weights Digest
        Should Be Equal    ${weights}    ${WEIGHTS}    ${board}
    END
