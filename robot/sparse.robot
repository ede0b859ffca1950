# SPDX-License-Identifier: Apache-2.0
*** Settings ***
Documentation       On-device training of an image network as TinyEngine does it: 8 bits with scaled steps, biases and chosen
...                 weights alone, the rest in flash, on an STM32F746G-DISCO.

Resource            trainbed.resource


*** Variables ***
${SCENARIO}         ${CURDIR}/sparse.yaml
${FACES}            ${CURDIR}/../../shared/data/faces-cmu-2class.npz


*** Test Cases ***
Image Network Learns By Sparse Updates
    Boot Scenario    ${SCENARIO}
    Train To The End
    Loss Should Decrease By    0.3
    Weights Should Equal Reference
    Contract Should Be Fulfilled
    ${sparse}=    Get Result
    Set Suite Variable    ${SPARSE}    ${sparse}

Full Update Takes More
    Boot Scenario    ${SCENARIO}    update=all    training.epochs=1    expect={}
    ${full}=    Get Result
    Should Be True    ${full.memory.training_bytes} > ${SPARSE.memory.training_bytes}
    Set Suite Variable    ${FULL}    ${full}

Its Steps Cost More
    [Tags]    cycles
    Should Be True    ${FULL.cost.cycles_per_sample.total} > ${SPARSE.cost.cycles_per_sample.total}

One Person Is Told From Others
    [Tags]    slow
    ${there}=    Run Keyword And Return Status    File Should Exist    ${FACES}
    Skip If    not ${there}    no ${FACES}
    Boot Scenario    faces_qas
    Train To The End
    Balanced Accuracy Should Be At Least    0.75
    RAM Should Be At Most    144384
    Weights Should Equal Reference
