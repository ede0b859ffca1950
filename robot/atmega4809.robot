# SPDX-License-Identifier: Apache-2.0
*** Settings ***
Documentation       Neural networks on an 8-bit ATmega4809, trained on the chip itself in integers.

Resource            trainbed.resource

Suite Setup         Skip If    '${BOARD}' or '${BACKEND}'    on boards of its own


*** Test Cases ***
Movement Detector Learns On The Chip
    Boot Scenario    avr_sensor_int8
    Train To The End
    Loss Should Decrease By    0.8
    Test Accuracy Should Be At Least    1
    Weights Should Equal Reference

It Fits The Chip
    RAM Should Be At Most    6144
    Flash Should Be At Most    49152
    Stack Should Be At Most    1024

A Step Costs Microseconds
    [Tags]    cycles
    Cycles Per Sample Should Be At Most    5000

The Larger Chip Ends With The Same Weights
    ${first}=    Get Weights Digest
    Boot Scenario    avr_sensor_int8    board=arduino_mega    expect={}
    Train To The End
    ${second}=    Get Weights Digest
    Should Be Equal    ${second}    ${first}

Digits Are Learned In 6 KB
    [Tags]    slow
    Scenario Should Pass    avr_digits_int8
