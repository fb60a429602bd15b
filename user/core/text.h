/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Small text work: durations, numbers, nearest known word, ages for people. */
#ifndef XMESH_CORE_TEXT_H
#define XMESH_CORE_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

/*
 * "5m", "300s", "1h30m", "250ms" -> milliseconds; "never" -> UINT64_MAX. -EINVAL with a sentence.
 */
int text_duration(const char *text, uint64_t *ret_ms, struct err *err);
/*
 * A whole decimal number within [min, max]. -EINVAL / -ERANGE with a sentence that names the
 * bounds.
 */
int text_number(const char *text, int64_t min, int64_t max, int64_t *ret_n, struct err *err);
/* The word of @words (NULL-terminated) nearest to @word by edit distance, NULL if none is near. */
const char *text_nearest(const char *word, const char *const *words);
/* "12s", "3m4s", "2h", "5d" as kubectl writes ages. Returns @buf. */
const char *text_age(uint64_t seconds, char *buf, size_t size);
/* True for a DNS-1123 label (@max 63) or subdomain (dots allowed, @max 253). */
int text_is_dns1123(const char *text, size_t max, int dots);

#endif
