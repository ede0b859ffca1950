/* SPDX-License-Identifier: Apache-2.0 */
#include "trn/app.h"
#include "trn/port.h"

int main(void)
{
    trn_port_init();
    trn_app_start();
    for (;;) {
        trn_app_handle(trn_port_receive_wait());
    }
}
