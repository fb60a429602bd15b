/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sentences and values that decoders of all kinds need. Not for: what a kind looks like. */
#include "feed/decode_object.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/addr.h"
#include "core/defs.h"

int object_error(const struct object *o, int code, struct err *err, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err_set(err, code, "%s", text);
	return object_in(o, code, err);
}

int object_in(const struct object *o, int code, struct err *err)
{
	return err_in(err, code, "%s%s%s %s%s%s", o->where, *o->where ? ": " : "", o->kind, o->space,
		      *o->space ? "/" : "", o->name);
}

int object_warn(const struct object *o, const char *fmt, ...)
{
	char **all = &o->piece->warning, *text = NULL;
	char said[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(said, sizeof(said), fmt, ap);
	va_end(ap);
	for (char *c = said; *c; c++)
		if ((unsigned char)*c < ' ')
			*c = ' ';
	if (asprintf(&text, "%s%s%s%s%s %s%s%s: %s", *all ? *all : "", *all ? "\n" : "", o->where,
		     *o->where ? ": " : "", o->kind, o->space, *o->space ? "/" : "", o->name, said) < 0)
		return -ENOMEM;
	free(*all);
	*all = text;
	return 0;
}

int object_annotation(const struct object *o, const char *key, const char **ret_text,
		      struct err *err)
{
	const struct doc *d = doc_get(o->annotations, key);
	const char *text = d ? doc_text(d) : NULL;

	if (d && !text)
		return object_error(o, -EINVAL, err,
				    "annotation %s is not a string: put it in quotes", key);
	*ret_text = text;
	return 0;
}

int object_list(const struct object *o, const struct doc *list, const char *what,
		const struct doc **ret_list, struct err *err)
{
	if (doc_is_null(list))
		list = NULL;
	else if (list->type != DOC_LIST)
		return object_error(o, -EINVAL, err, "%s is not a list", what);
	*ret_list = list;
	return 0;
}

int object_addr(const struct object *o, const struct doc *text, const char *what,
		struct xm_addr *ret_addr, struct err *err)
{
	const char *t = text ? doc_text(text) : NULL;
	struct xm_addr addr;
	int rc;

	if (!t)
		return object_error(o, -EINVAL, err, "%s is not an address", what);
	rc = addr_parse(t, &addr, err);
	if (rc) {
		err_in(err, rc, "%s", what);
		return object_in(o, rc, err);
	}
	if (!addr_is_unicast(&addr))
		return object_error(o, -EINVAL, err, "%s %s is no address that a host can bear",
				    what, t);
	*ret_addr = addr;
	return 0;
}
