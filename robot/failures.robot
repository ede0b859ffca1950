# SPDX-License-Identifier: Apache-2.0
*** Settings ***
Documentation       What goes wrong is noticed, named, and never taken for success.

Resource            trainbed.resource

Test Teardown       Remove Changed Firmware


*** Variables ***
${TRAIN REQUEST}    trn_answer_t trn_train_request(const trn_request_t *request)\n{


*** Test Cases ***
Training Diverges
    Boot Scenario    ${CURDIR}/diverging.yaml
    ${steps}=    Training Should Diverge
    Should Be True    0 < ${steps} < 10
    Contract Should Fail
    Weights Should Equal Reference

A Contract Is Broken
    Boot Scenario    tiny    training.epochs=2    expect={loss_decreases: {by: 0.99}, test_accuracy: {min: 0.0}}
    Contract Should Fail    loss_decreases
    Run Keyword And Expect Error    loss_decreases: observed 0.*, expected by at least 0.9*
    ...    Loss Should Decrease By    0.9

A Network Is Too Big
    Scenario Should Be Refused    tiny    B of RAM    board=arduino_nano_33_ble
    ...    network.layers.0={dense: {units: 30000, activation: relu}}

A Key Is Unknown
    Scenario Should Be Refused    tiny    unknown key 'epoch'    training.epoch=5

More Epochs Are Asked For Than The Scenario Has
    Boot Scenario    tiny    training.epochs=3
    Train For Epochs    2
    Run Keyword And Expect Error    InputError: 2 epochs were to be trained, 1 are left*    Train For Epochs    2

Firmware That Faults Is Broken Until It Is Reset
    [Tags]    emulated
    ${broken}=    Change Firmware    app/train.c    ${TRAIN REQUEST}    ${TRAIN REQUEST} __builtin_trap();
    Boot Scenario    tiny    firmware=${broken}
    Inject Dataset
    ${message}=    Guest Should Fault At    trn_train_request    kind=undefined_instruction
    Should Contain    ${message}    train.c:
    Run Keyword And Expect Error    GuestFault: ${message}    Inject Dataset
    Reset Board
    Inject Dataset
    Guest Should Fault At    trn_train_request    Train For Epochs    1

Firmware Hangs Within Its Budget Of Guest Time
    [Tags]    emulated
    ${hanging}=    Change Firmware    app/train.c    ${TRAIN REQUEST}    ${TRAIN REQUEST} for (;;) { __asm__ volatile(""); }
    Boot Scenario    tiny    firmware=${hanging}    budget.cycles=1_000_000
    ${message}=    Guest Should Hang    Train For Epochs    1
    Should Contain    ${message}    trn_train_request

A Run Outlasts Its Budget
    [Tags]    emulated
    Boot Scenario    tiny    budget.cycles=500_000
    ${message}=    Guest Should Hang
    Should Contain    ${message}    budget

A Disturbed Link Trains To The Same Bits
    Boot Scenario    tiny
    Train To The End
    ${clean}=    Get Weights Digest
    Boot Scenario    tiny    link.faults={bit_flip: 0.05, drop: 0.05, duplicate: 0.05, lose: 0.05, repeat: 0.05, seed: 3}
    Train To The End
    Link Faults Should Be At Least    10
    ${disturbed}=    Get Weights Digest
    Should Be Equal    ${disturbed}    ${clean}
    Contract Should Be Fulfilled

A Dead Link Is Given Up
    Boot Scenario    tiny    link.faults={lose: 1.0}
    Link Should Be Lost    Inject Dataset

Firmware That Climbs The Loss Breaks The Contract
    ${wrong}=    Change Firmware    include/trn/optimizer.h    trn_difference(weight[k], d[k])    trn_sum(weight[k], d[k])
    Boot Scenario    tiny    firmware=${wrong}
    Contract Should Fail    loss_decreases    matches_reference
