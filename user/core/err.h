/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An error on its way to the one who decides: a code for programs, a sentence for people that
 * says what, where and what to do. Functions that fill one return its code; they never log.
 */
#ifndef XMESH_CORE_ERR_H
#define XMESH_CORE_ERR_H

#define ERR_TEXT_MAX 1024

struct err {
	char text[ERR_TEXT_MAX];
	int code; /* negative errno, for who gets the error by callback */
};

/*
 * Write the sentence (cut at ERR_TEXT_MAX - 1, ending in "..." then) and return @code, a negative
 * errno, so that `return err_set(err, -EINVAL, ...)` works. @err may be NULL.
 */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Put "WHERE: " in front of the sentence and return @code. @err may be NULL. */
int err_in(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
