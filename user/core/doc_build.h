/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the two readers of core/doc.c share: a tree is built from events (open, key, scalar,
 * close), and every limit is kept here, once. Not for: anyone but doc*.c.
 */
#ifndef XMESH_CORE_DOC_BUILD_H
#define XMESH_CORE_DOC_BUILD_H

#include "core/doc.h"

/* A doc and what it costs when it is used again by an alias. The doc is the first member. */
struct doc_node {
	struct doc doc;
	uint32_t weight; /* nodes in it, itself included, aliases expanded */
	uint32_t height; /* levels of lists and maps in it: 0 for a scalar */
};

struct doc_frame {
	enum doc_type type; /* DOC_LIST or DOC_MAP */
	uint32_t line;
	size_t first;       /* its first child on the stack */
	const char *key;    /* a key that waits for its value */
	uint32_t key_line;
};

struct doc_pending {
	const struct doc_node *node;
	const char *key;
	uint32_t key_line;
};

struct doc_build {
	const char *name;
	struct err *err;
	struct doc_set *set;
	struct doc_frame frames[DOC_MAX_DEPTH];
	unsigned int depth;
	struct doc_pending *stack; /* children of the open frames */
	size_t n_stack, stack_room;
	size_t docs_room;
	uint64_t nodes;            /* so far, aliases expanded */
	const struct doc_node *last; /* finished last */
};

/* Each returns 0 or fills build->err: -EINVAL (a limit, a duplicate key), -ENOMEM. */
int doc_build_open(struct doc_build *build, enum doc_type type, uint32_t line);
int doc_build_close(struct doc_build *build, uint32_t node_line);
/* Copies @text. A NUL in it or more than DOC_MAX_SCALAR bytes are errors at @line. */
int doc_build_key(struct doc_build *build, const char *text, size_t len, uint32_t line);
int doc_build_scalar(struct doc_build *build, enum doc_type type, const char *text, size_t len,
		     int64_t integer, uint32_t line, uint32_t node_line);
/* A node that stands elsewhere already. */
int doc_build_alias(struct doc_build *build, const struct doc_node *node, uint32_t line);
/* True when the next event must be a key. */
bool doc_build_wants_key(const struct doc_build *build);

int doc_build_fail(struct doc_build *build, uint32_t line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int doc_build_no_memory(struct doc_build *build);

/* The readers. @text is valid UTF-8 without NULs. */
int doc_yaml_read(struct doc_build *build, const char *text, size_t len);
int doc_json_read(struct doc_build *build, const char *text, size_t len);

#endif
