/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The tree, its arena and its limits. The readers are doc_yaml.c and doc_json.c. Not for: what
 * the text means.
 */
#include "core/doc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/defs.h"
#include "core/doc_build.h"

#define ARENA_CHUNK (64u * 1024)
#define FEW_KEYS 8

struct arena {
	struct arena *next;
	size_t used, size;
	_Alignas(16) char bytes[];
};

static void *arena_alloc(struct doc_set *set, size_t size)
{
	struct arena *arena = set->arena;
	void *p;

	size = (size + 15) & ~(size_t)15;
	if (!arena || arena->size - arena->used < size) {
		size_t room = MAX(size, (size_t)ARENA_CHUNK);

		arena = malloc(sizeof(*arena) + room);
		if (!arena)
			return NULL;
		arena->next = set->arena;
		arena->used = 0;
		arena->size = room;
		set->arena = arena;
	}
	p = arena->bytes + arena->used;
	arena->used += size;
	return p;
}

int doc_build_fail(struct doc_build *build, uint32_t line, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(build->err, -EINVAL, "%s:%u: %s", build->name, line, text);
}

int doc_build_no_memory(struct doc_build *build)
{
	return err_set(build->err, -ENOMEM, "%s: out of memory", build->name);
}

static const char *copy_text(struct doc_build *build, const char *text, size_t len, uint32_t line,
			     int *ret_code)
{
	char *copy;

	if (len > DOC_MAX_SCALAR) {
		*ret_code = doc_build_fail(build, line,
					   "a value of %zu bytes: %u is the most that is read", len,
					   DOC_MAX_SCALAR);
		return NULL;
	}
	if (memchr(text, '\0', len)) {
		*ret_code = doc_build_fail(build, line, "a NUL character in a value");
		return NULL;
	}
	copy = arena_alloc(build->set, len + 1);
	if (!copy) {
		*ret_code = doc_build_no_memory(build);
		return NULL;
	}
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

bool doc_build_wants_key(const struct doc_build *build)
{
	const struct doc_frame *frame = build->depth ? &build->frames[build->depth - 1] : NULL;

	return frame && frame->type == DOC_MAP && !frame->key;
}

/* Room for one element more in *@array. */
static int grow(struct doc_build *build, void **array, size_t n, size_t *room, size_t size)
{
	size_t more = *room ? *room * 2 : 16;
	void *p;

	if (n < *room)
		return 0;
	p = reallocarray(*array, more, size);
	if (!p)
		return doc_build_no_memory(build);
	*array = p;
	*room = more;
	return 0;
}

/* A finished node goes to its parent, or is a document. */
static int add(struct doc_build *build, const struct doc_node *node)
{
	struct doc_set *set = build->set;
	struct doc_frame *frame;
	int rc;

	build->last = node;
	if (!build->depth) {
		if (node->doc.type == DOC_NULL)
			return 0;
		rc = grow(build, (void **)&set->docs, set->n, &build->docs_room,
			  sizeof(*set->docs));
		if (rc)
			return rc;
		set->docs[set->n++] = &node->doc;
		return 0;
	}
	rc = grow(build, (void **)&build->stack, build->n_stack, &build->stack_room,
		  sizeof(*build->stack));
	if (rc)
		return rc;
	frame = &build->frames[build->depth - 1];
	build->stack[build->n_stack++] = (struct doc_pending){
		.node = node, .key = frame->key, .key_line = frame->key_line,
	};
	frame->key = NULL;
	return 0;
}

static int count_nodes(struct doc_build *build, uint32_t n, uint32_t line)
{
	build->nodes += n;
	if (build->nodes > DOC_MAX_NODES)
		return doc_build_fail(build, line,
				      "more than %u values, aliases expanded: split the file",
				      DOC_MAX_NODES);
	return 0;
}

int doc_build_open(struct doc_build *build, enum doc_type type, uint32_t line)
{
	if (build->depth == DOC_MAX_DEPTH)
		return doc_build_fail(build, line, "nested deeper than %d levels", DOC_MAX_DEPTH);
	build->frames[build->depth++] = (struct doc_frame){
		.type = type, .line = line, .first = build->n_stack,
	};
	return count_nodes(build, 1, line);
}

/* Most keys differ in the first byte already. */
static bool same_text(const char *a, const char *b)
{
	return *a == *b && !strcmp(a, b);
}

static int compare_pending(const void *a, const void *b)
{
	const struct doc_pending *x = a, *y = b;
	int order = strcmp(x->key, y->key);

	if (order)
		return order;
	return x->key_line < y->key_line ? -1 : x->key_line > y->key_line;
}

static int duplicate(struct doc_build *build, const struct doc_pending *first,
		     const struct doc_pending *again)
{
	return doc_build_fail(build, again->key_line,
			      "the key \"%.64s\" stands twice, first in line %u", again->key,
			      first->key_line);
}

/*
 * Sorted in a copy: a map of a million keys must not take a million squared comparisons. Of few keys
 * those are faster.
 */
static int check_duplicates(struct doc_build *build, const struct doc_pending *pairs, size_t n)
{
	auto_free struct doc_pending *sorted = NULL;

	if (n <= FEW_KEYS) {
		for (size_t i = 1; i < n; i++)
			for (size_t k = 0; k < i; k++)
				if (same_text(pairs[i].key, pairs[k].key))
					return duplicate(build, &pairs[k], &pairs[i]);
		return 0;
	}
	sorted = malloc(n * sizeof(*sorted));
	if (!sorted)
		return doc_build_no_memory(build);
	memcpy(sorted, pairs, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare_pending);
	for (size_t i = 1; i < n; i++) {
		if (!strcmp(sorted[i - 1].key, sorted[i].key))
			return duplicate(build, &sorted[i - 1], &sorted[i]);
	}
	return 0;
}

int doc_build_close(struct doc_build *build, uint32_t node_line)
{
	const struct doc_frame *frame = &build->frames[build->depth - 1];
	size_t n = build->n_stack - frame->first;
	const struct doc_pending *children = n ? build->stack + frame->first : NULL;
	const struct doc **items = NULL;
	const char **keys = NULL;
	uint32_t *key_lines = NULL;
	struct doc_node *node;
	int rc;

	node = arena_alloc(build->set, sizeof(*node));
	if (!node)
		return doc_build_no_memory(build);
	if (n) {
		items = arena_alloc(build->set, n * sizeof(*items));
		if (!items)
			return doc_build_no_memory(build);
	}
	if (n && frame->type == DOC_MAP) {
		rc = check_duplicates(build, children, n);
		if (rc)
			return rc;
		keys = arena_alloc(build->set, n * sizeof(*keys));
		key_lines = arena_alloc(build->set, n * sizeof(*key_lines));
		if (!keys || !key_lines)
			return doc_build_no_memory(build);
	}
	*node = (struct doc_node){
		.doc = { .type = frame->type, .line = node_line, .n = (uint32_t)n,
			 .items = items, .keys = keys, .key_lines = key_lines },
		.weight = 1,
		.height = 1,
	};
	for (size_t i = 0; i < n; i++) {
		items[i] = &children[i].node->doc;
		node->weight += children[i].node->weight;
		node->height = MAX(node->height, children[i].node->height + 1);
		if (keys) {
			keys[i] = children[i].key;
			key_lines[i] = node_line ? children[i].key_line : 0;
		}
	}
	build->n_stack = frame->first;
	build->depth--;
	return add(build, node);
}

int doc_build_key(struct doc_build *build, const char *text, size_t len, uint32_t line)
{
	struct doc_frame *frame = &build->frames[build->depth - 1];
	int rc = 0;

	frame->key = copy_text(build, text, len, line, &rc);
	frame->key_line = line;
	return rc;
}

int doc_build_scalar(struct doc_build *build, enum doc_type type, const char *text, size_t len,
		     int64_t integer, uint32_t line, uint32_t node_line)
{
	struct doc_node *node;
	const char *copy;
	int rc;

	rc = count_nodes(build, 1, line);
	if (rc)
		return rc;
	copy = copy_text(build, text, len, line, &rc);
	if (!copy)
		return rc;
	node = arena_alloc(build->set, sizeof(*node));
	if (!node)
		return doc_build_no_memory(build);
	*node = (struct doc_node){
		.doc = { .type = type, .line = node_line, .text = copy, .integer = integer },
		.weight = 1,
	};
	return add(build, node);
}

int doc_build_alias(struct doc_build *build, const struct doc_node *node, uint32_t line)
{
	int rc = count_nodes(build, node->weight, line);

	if (rc)
		return rc;
	if (build->depth + node->height > DOC_MAX_DEPTH)
		return doc_build_fail(build, line, "nested deeper than %d levels, aliases expanded",
				      DOC_MAX_DEPTH);
	return add(build, node);
}

/* Length of the UTF-8 character at @p (RFC 3629), 0 when there is none within @room bytes. */
static size_t utf8_length(const unsigned char *p, size_t room)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t len;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (room < len)
		return 0;
	/* The second byte rules out overlong forms, surrogates and what is past U+10FFFF. */
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return len;
}

#define BYTES(byte) ((byte) * 0x0101010101010101ull)

static int check_bytes(struct doc_build *build, const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;
	uint32_t line = 1;
	size_t step;

	for (size_t i = 0; i < len; i += step) {
		uint64_t word;

		/* Most text: eight bytes of ASCII without control characters at a time. */
		step = sizeof(word);
		if (len - i >= sizeof(word)) {
			memcpy(&word, p + i, sizeof(word));
			if (!((word | (word - BYTES(0x20))) & BYTES(0x80)))
				continue;
		}
		step = utf8_length(p + i, len - i);
		if (!step)
			return doc_build_fail(build, line,
					      "not UTF-8 text (byte 0x%02x): is this a binary file?",
					      p[i]);
		if (!p[i])
			return doc_build_fail(build, line,
					      "a NUL character: is this a binary file?");
		if (p[i] == '\n')
			line++;
	}
	return 0;
}

static bool is_json(const char *text, size_t len)
{
	size_t i = 0;

	while (i < len && strchr(" \t\r\n", text[i]))
		i++;
	return i < len && (text[i] == '{' || text[i] == '[');
}

int doc_parse(const char *text, size_t len, const char *name, struct doc_set **ret_set,
	      struct err *err)
{
	struct doc_build build = { .name = name, .err = err };
	int rc;

	build.set = calloc(1, sizeof(*build.set));
	if (!build.set)
		return doc_build_no_memory(&build);
	rc = check_bytes(&build, text, len);
	/* A byte order mark (RFC 8259, 8.1) says nothing that is not known by now. */
	if (!rc && len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
		text += 3;
		len -= 3;
	}
	if (!rc && is_json(text, len))
		rc = doc_json_read(&build, text, len);
	else if (!rc)
		rc = doc_yaml_read(&build, text, len);
	free(build.stack);
	if (rc) {
		doc_set_free(build.set);
		return rc;
	}
	*ret_set = build.set;
	return 0;
}

void doc_set_free(struct doc_set *set)
{
	struct arena *arena, *next;

	if (!set)
		return;
	for (arena = set->arena; arena; arena = next) {
		next = arena->next;
		free(arena);
	}
	free(set->docs);
	free(set);
}

const struct doc *doc_get(const struct doc *map, const char *key)
{
	if (!map || map->type != DOC_MAP)
		return NULL;
	for (uint32_t i = 0; i < map->n; i++) {
		if (same_text(map->keys[i], key))
			return map->items[i];
	}
	return NULL;
}

const struct doc *doc_path(const struct doc *doc, ...)
{
	const char *key;
	va_list ap;

	va_start(ap, doc);
	while (doc && (key = va_arg(ap, const char *)))
		doc = doc_get(doc, key);
	va_end(ap);
	return doc;
}

const char *doc_text(const struct doc *doc)
{
	if (!doc)
		return NULL;
	switch (doc->type) {
	case DOC_STRING:
	case DOC_INT:
	case DOC_FLOAT:
		return doc->text;
	case DOC_NULL:
	case DOC_BOOL:
	case DOC_LIST:
	case DOC_MAP:
		return NULL;
	}
	return NULL;
}

bool doc_is_null(const struct doc *doc)
{
	return !doc || doc->type == DOC_NULL;
}
