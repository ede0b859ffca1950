# SPDX-License-Identifier: Apache-2.0
*** Settings ***
Documentation       Extending AIfES with Depthwise Convolution for On-Device Training on Microcontrollers: a depthwise
...                 separable block and the standard convolution it stands for, trained on an Arduino Nano 33 BLE.

Resource            trainbed.resource


*** Test Cases ***
Depthwise Separable Block Learns To Tell Lines
    Boot Scenario    depthconv
    Inject Dataset
    Train For Epochs    100
    Loss Should Decrease By    0.9
    Train To The End
    Test Accuracy Should Be At Least    0.7

Its Weights Are Those Of The Reference
    Weights Should Equal Reference

It Fits Into The Published Memory
    Training Memory Should Be At Most    9724

It Is Trained At The Published Cost
    [Tags]    cycles
    Cycles Per Sample Should Be At Most    70000
    Contract Should Be Fulfilled
    ${separable}=    Get Result
    Set Suite Variable    ${SEPARABLE}    ${separable.cost.cycles_per_sample.total}

Standard Convolution Learns The Same Task
    Boot Scenario    conv2d
    Contract Should Be Fulfilled

The Separable Block Costs Less
    [Tags]    cycles
    ${standard}=    Get Result
    Should Be True    ${SEPARABLE} < ${standard.cost.cycles_per_sample.total}
