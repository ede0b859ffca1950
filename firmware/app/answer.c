/* SPDX-License-Identifier: Apache-2.0 */
/* Answers to requests, put together where the link sends them from. */
#include <string.h>

#include "trn/app.h"
#include "trn_messages.h"

trn_answer_t trn_answer_with(uint8_t type, const void *payload, uint32_t n_bytes)
{
    memcpy(trn_link_answer_payload(), payload, (size_t)n_bytes);
    return (trn_answer_t){.type = type, .n_bytes = n_bytes};
}

trn_answer_t trn_answer_refused(int32_t error, uint32_t detail)
{
    const trn_refused_t refused = {.error = error, .detail = detail};
    return trn_answer_with(TRN_MSG_REFUSED, &refused, sizeof refused);
}
