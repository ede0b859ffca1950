# SPDX-License-Identifier: Apache-2.0
*** Settings ***
Documentation       The link, byte by byte: what docs/protocol.md promises, on the board.

Resource            trainbed.resource

Test Setup          Boot Scenario    tiny


*** Test Cases ***
Firmware Greets And Then Waits
    Write Bytes To Uart    00
    # READY, protocol 1
    Wait For Bytes On Uart    03 80 01
    Test If Uart Is Idle

Noise Is Answered And Does No Harm
    Write Bytes To Uart    de ad be ef 00
    Wait For Bytes On Uart    81
    Inject Dataset
    Train For Epochs    2
    Weights Should Equal Reference

Reset Board Forgets Everything
    Inject Dataset
    Train For Epochs    3
    ${first}=    Get Weights Digest
    Reset Board
    Write Bytes To Uart    00
    Wait For Bytes On Uart    03 80 01
    Inject Dataset
    Train For Epochs    3
    ${second}=    Get Weights Digest
    Should Be Equal    ${second}    ${first}
