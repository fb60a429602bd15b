/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Inside of the decoders of Kubernetes objects: one object on its way into a piece, and what the files
 * that know a kind share. Not for: anyone outside feed/decode*.c.
 */
#ifndef XMESH_FEED_DECODE_OBJECT_H
#define XMESH_FEED_DECODE_OBJECT_H

#include "core/doc.h"
#include "core/err.h"
#include "feed/piece.h"

#define DECODE_WHERE_MAX (XM_NAME_LEN + 64)

struct object {
	const struct doc *doc;
	const struct doc *annotations, *labels; /* maps, or NULL */
	const char *kind, *name, *space;        /* space: "" when the kind has no namespace */
	const char *where;                      /* "west.yaml:12"; "" = the caller names the place */
	struct piece *piece;                    /* to be filled; NULL: a kind that is not used */
};

/* Write "WHERE: KIND NAME: " in front of a sentence. Returns @code. */
int object_error(const struct object *o, int code, struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* The same in front of a sentence that is in @err already. */
int object_in(const struct object *o, int code, struct err *err);
/* A sentence for the piece's warnings. -ENOMEM. */
int object_warn(const struct object *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The text of annotation @key, NULL if there is none. -EINVAL: not a string. */
int object_annotation(const struct object *o, const char *key, const char **ret_text,
		      struct err *err);
/*
 * The list under a path of @doc; NULL if absent or null. -EINVAL: something else, named by @what
 * in the sentence.
 */
int object_list(const struct object *o, const struct doc *list, const char *what,
		const struct doc **ret_list, struct err *err);
/* An address that a host can bear, out of a scalar; @what names it in the sentence. */
int object_addr(const struct object *o, const struct doc *text, const char *what,
		struct xm_addr *ret_addr, struct err *err);

/* Each fills o->piece. -EINVAL with a sentence, -ENOMEM. */
int decode_node(const struct object *o, struct err *err);
int decode_service(const struct object *o, struct err *err);
int decode_slice(const struct object *o, struct err *err);
int decode_export(const struct object *o, struct err *err);
int decode_import(const struct object *o, struct err *err);
/* Parts of Service, import and slice: ports appended to *ports. -EINVAL: a bad one, too many. */
int decode_ports(const struct object *o, const struct doc *list, const char *what, bool may_lack_port,
		 struct port_object **ports, size_t *n, struct err *err);

/*
 * Every object of @doc, Lists unfolded, to @object with its piece filled: take() it from there, or it is
 * freed. @file "" leaves places out of sentences. -EINVAL: no Kubernetes object, or a bad one; errors
 * of @object.
 */
typedef int (*decode_walk_fn)(void *user, struct object *o, struct err *err);
int decode_walk(const struct doc *doc, const char *file, decode_walk_fn object, void *user,
		struct err *err);

#endif
