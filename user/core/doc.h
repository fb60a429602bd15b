/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * YAML or JSON text as a tree that remembers its lines: YAML by libyaml; text that begins with '{'
 * or '[' is JSON, strictly, with line 0 in its nodes but the real one in errors. One memory arena
 * per text. Limits on depth, nodes and aliases hold against hostile input; duplicate keys, invalid
 * UTF-8 and NULs are errors.
 */
#ifndef XMESH_CORE_DOC_H
#define XMESH_CORE_DOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

#define DOC_MAX_DEPTH 64
#define DOC_MAX_NODES (16u * 1024 * 1024) /* with aliases expanded */
#define DOC_MAX_SCALAR (1u * 1024 * 1024) /* bytes of one scalar */

enum doc_type { DOC_NULL, DOC_BOOL, DOC_INT, DOC_FLOAT, DOC_STRING, DOC_LIST, DOC_MAP };

struct doc {
	enum doc_type type;
	uint32_t line;        /* from 1; 0 = unknown (JSON) */
	uint32_t n;           /* list: items; map: pairs */
	const char *text;     /* scalars: as written, NUL-terminated, unquoted */
	int64_t integer;      /* DOC_INT, DOC_BOOL */
	const struct doc **items;   /* list and map values */
	const char **keys;          /* map */
	uint32_t *key_lines;        /* map */
};

struct doc_set {
	const struct doc **docs;    /* one per document of the text; empty documents left out */
	size_t n;
	void *arena;
};

/*
 * @name is the file, for sentences ("NAME:LINE: ..."). -EINVAL: bad syntax or a limit, with file,
 * line and what to do. -ENOMEM. On success the caller owns *ret_set: doc_set_free(). An empty
 * text gives a set of no documents; the caller decides whether that is an error.
 */
int doc_parse(const char *text, size_t len, const char *name, struct doc_set **ret_set,
	      struct err *err);
void doc_set_free(struct doc_set *set);

/* NULL when @map is no map or has no such key. Keys are compared exactly. */
const struct doc *doc_get(const struct doc *map, const char *key);
/* Walk several keys, NULL-terminated: doc_path(d, "metadata", "name", NULL). */
const struct doc *doc_path(const struct doc *doc, ...) __attribute__((sentinel));
/* The text of a string (also of a plain scalar that looks like a number), else NULL. */
const char *doc_text(const struct doc *doc);
bool doc_is_null(const struct doc *doc); /* absent or null */

#endif
