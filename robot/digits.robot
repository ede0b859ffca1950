# SPDX-License-Identifier: Apache-2.0
*** Settings ***
Documentation       scikit-learn's 8x8 digits: a pixel travels as one byte.

Resource            trainbed.resource


*** Test Cases ***
Multilayer Perceptron Reads Digits
    Boot Scenario    digits_mlp
    ${samples}=    Inject Dataset
    Should Be Equal As Integers    ${samples}    1437
    Train To The End
    Loss Should Decrease By    0.8
    Test Accuracy Should Be At Least    0.93
    Weights Should Equal Reference

Streamed Digits Give The Same Weights
    Boot Scenario    digits_mlp    training.epochs=2    link.dataset=resident
    Train To The End
    ${resident}=    Get Weights Digest
    Boot Scenario    digits_mlp    training.epochs=2    link.dataset=stream
    Train To The End
    ${streamed}=    Get Weights Digest
    Should Be Equal    ${streamed}    ${resident}

Convolutional Network Reads Digits
    [Tags]    slow
    Scenario Should Pass    digits_cnn
