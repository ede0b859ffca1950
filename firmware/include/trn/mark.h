/* SPDX-License-Identifier: Apache-2.0 */
/* Phases of a training run. An emulator finds these functions by their symbols and books every cycle from one mark to the next
 * under the phase the first one names; where it cannot (AVR), the number of the phase stands in GPIOR0. They do nothing else. */
#ifndef TRN_MARK_H
#define TRN_MARK_H

typedef enum {
    TRN_PHASE_OTHER,    /* link, loader, start-up */
    TRN_PHASE_FORWARD,  /* of training, with the loss */
    TRN_PHASE_BACKWARD, /* gradients */
    TRN_PHASE_UPDATE,   /* optimizer and clearing of gradients */
    TRN_PHASE_EVALUATE, /* forward pass without training */
    TRN_PHASE_CONVERT,  /* sample from the link's type to the network's */
} trn_phase_t;

void trn_mark_other(void);
void trn_mark_forward(void);
void trn_mark_backward(void);
void trn_mark_update(void);
void trn_mark_evaluate(void);
void trn_mark_convert(void);

#endif
