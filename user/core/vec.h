/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Arrays that grow by one, and lists of sentences. The array and its count are the caller's own
 * fields; no capacity is kept, for it follows from the count. Not for: sorted or keyed data.
 */
#ifndef XMESH_CORE_VEC_H
#define XMESH_CORE_VEC_H

#include <stddef.h>

/*
 * Make room for one more item of @size bytes behind @n in the array that @pv points to (a T **).
 * Every item of the array must have been added this way. -ENOMEM leaves it as it was.
 */
int vec_grow(void *pv, size_t n, size_t size);

/* Add a sentence. -ENOMEM leaves the list as it was. */
int vec_note(char ***notes, size_t *n, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void vec_free_notes(char **notes, size_t n);

#endif
