/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * YAML 1.2 core schema by libyaml's events. Merge keys, foreign tags and keys that are no scalars
 * are refused: Kubernetes objects and our own configuration have none.
 */
#include <errno.h>
#include <string.h>
#include <yaml.h>

#include "core/defs.h"
#include "core/doc_build.h"

/* Anchors of one document: nobody writes more by hand, and they are looked up one by one. */
#define MAX_ANCHORS 1024

struct anchor {
	char *name;
	const struct doc_node *node; /* NULL while it is open: an alias would contain itself */
};

struct reader {
	struct doc_build *build;
	yaml_parser_t parser;
	struct anchor anchors[MAX_ANCHORS];
	size_t n_anchors;
	/* The anchor of each open frame, -1 = none. */
	int open_anchors[DOC_MAX_DEPTH];
};

static uint32_t event_line(const yaml_event_t *event)
{
	return (uint32_t)event->start_mark.line + 1;
}

static struct anchor *find_anchor(struct reader *r, const char *name)
{
	for (size_t i = 0; i < r->n_anchors; i++) {
		if (!strcmp(r->anchors[i].name, name))
			return &r->anchors[i];
	}
	return NULL;
}

static void drop_anchors(struct reader *r)
{
	for (size_t i = 0; i < r->n_anchors; i++)
		free(r->anchors[i].name);
	r->n_anchors = 0;
}

/* Register @name for a node to come; *ret_index is -1 without a name. */
static int define_anchor(struct reader *r, const yaml_char_t *name, uint32_t line, int *ret_index)
{
	struct anchor *anchor;

	if (!name) {
		*ret_index = -1;
		return 0;
	}
	anchor = find_anchor(r, (const char *)name);
	if (!anchor) {
		if (r->n_anchors == MAX_ANCHORS)
			return doc_build_fail(r->build, line, "more than %d anchors", MAX_ANCHORS);
		anchor = &r->anchors[r->n_anchors];
		anchor->name = strdup((const char *)name);
		if (!anchor->name)
			return doc_build_no_memory(r->build);
		r->n_anchors++;
	}
	anchor->node = NULL;
	*ret_index = (int)(anchor - r->anchors);
	return 0;
}

static bool is_one_of(const char *text, const char *const *words)
{
	for (; *words; words++) {
		if (!strcmp(text, *words))
			return true;
	}
	return false;
}

static const char *skip_digits(const char *c)
{
	while (*c >= '0' && *c <= '9')
		c++;
	return c;
}

/* What a plain scalar is (YAML 1.2, 10.3.2). */
static enum doc_type plain_type(const char *text, int64_t *ret_integer)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
	static const char *const yes[] = { "true", "True", "TRUE", NULL };
	static const char *const no[] = { "false", "False", "FALSE", NULL };
	static const char *const not_finite[] = { ".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN",
						  NULL };
	const char *number = text + (*text == '-' || *text == '+'), *c;
	bool digits;

	if (is_one_of(text, nulls))
		return DOC_NULL;
	if (is_one_of(text, yes)) {
		*ret_integer = 1;
		return DOC_BOOL;
	}
	if (is_one_of(text, no))
		return DOC_BOOL;
	if (is_one_of(number, not_finite))
		return DOC_FLOAT;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'o') && text[2]) {
		const char *all = text[1] == 'x' ? "0123456789abcdefABCDEF" : "01234567";

		if (text[2 + strspn(text + 2, all)])
			return DOC_STRING;
		errno = 0;
		*ret_integer = strtoll(text + 2, NULL, text[1] == 'x' ? 16 : 8);
		return errno ? DOC_FLOAT : DOC_INT;
	}
	c = skip_digits(number);
	digits = c != number;
	if (digits && !*c) {
		errno = 0;
		*ret_integer = strtoll(text, NULL, 10);
		/* Too large for an integer is still a number. */
		return errno ? DOC_FLOAT : DOC_INT;
	}
	if (*c == '.') {
		const char *fraction = ++c;

		c = skip_digits(c);
		digits |= c != fraction;
	}
	if (!digits)
		return DOC_STRING;
	if (*c == 'e' || *c == 'E') {
		const char *exponent = c + 1 + (c[1] == '-' || c[1] == '+');

		c = skip_digits(exponent);
		if (c == exponent)
			return DOC_STRING;
	}
	return *c ? DOC_STRING : DOC_FLOAT;
}

/* Only the tags of the core schema are known; *ret_string: an explicit string. */
static int check_tag(struct reader *r, const yaml_char_t *tag, uint32_t line, bool *ret_string)
{
	static const char *const known[] = {
		YAML_NULL_TAG, YAML_BOOL_TAG, YAML_INT_TAG, YAML_FLOAT_TAG, YAML_SEQ_TAG,
		YAML_MAP_TAG, NULL
	};
	const char *text = (const char *)tag;

	*ret_string = text && (!strcmp(text, YAML_STR_TAG) || !strcmp(text, "!"));
	if (!text || *ret_string || is_one_of(text, known))
		return 0;
	return doc_build_fail(r->build, line, "the tag \"%.64s\" is not supported", text);
}

static int on_scalar(struct reader *r, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;
	bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE, string;
	size_t len = event->data.scalar.length;
	uint32_t line = event_line(event);
	enum doc_type type = DOC_STRING;
	int64_t integer = 0;
	int anchor, rc;

	rc = check_tag(r, event->data.scalar.tag, line, &string);
	if (rc)
		return rc;
	if (doc_build_wants_key(r->build)) {
		if (event->data.scalar.anchor)
			return doc_build_fail(r->build, line, "an anchor on a key is not supported");
		if (plain && !strcmp(text, "<<"))
			return doc_build_fail(r->build, line,
					      "merge keys (<<) are not supported: write the keys out");
		return doc_build_key(r->build, text, len, line);
	}
	rc = define_anchor(r, event->data.scalar.anchor, line, &anchor);
	if (rc)
		return rc;
	if (plain && !string)
		type = plain_type(text, &integer);
	rc = doc_build_scalar(r->build, type, text, len, integer, line, line);
	if (!rc && anchor >= 0)
		r->anchors[anchor].node = r->build->last;
	return rc;
}

static int on_open(struct reader *r, const yaml_event_t *event, enum doc_type type,
		   const yaml_char_t *anchor_name, const yaml_char_t *tag)
{
	uint32_t line = event_line(event);
	bool string;
	int rc;

	if (doc_build_wants_key(r->build))
		return doc_build_fail(r->build, line, "a list or map as a key is not supported");
	rc = check_tag(r, tag, line, &string);
	if (rc)
		return rc;
	rc = doc_build_open(r->build, type, line);
	if (rc)
		return rc;
	return define_anchor(r, anchor_name, line, &r->open_anchors[r->build->depth - 1]);
}

static int on_close(struct reader *r)
{
	unsigned int depth = r->build->depth;
	int rc = doc_build_close(r->build, r->build->frames[depth - 1].line);

	if (!rc && r->open_anchors[depth - 1] >= 0)
		r->anchors[r->open_anchors[depth - 1]].node = r->build->last;
	return rc;
}

static int on_alias(struct reader *r, const yaml_event_t *event)
{
	const char *name = (const char *)event->data.alias.anchor;
	const struct anchor *anchor = find_anchor(r, name);
	uint32_t line = event_line(event);

	if (doc_build_wants_key(r->build))
		return doc_build_fail(r->build, line, "an alias as a key is not supported");
	if (!anchor)
		return doc_build_fail(r->build, line, "the alias *%.64s has no anchor", name);
	if (!anchor->node)
		return doc_build_fail(r->build, line, "the alias *%.64s would contain itself", name);
	return doc_build_alias(r->build, anchor->node, line);
}

static int on_event(struct reader *r, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return on_scalar(r, event);
	case YAML_SEQUENCE_START_EVENT:
		return on_open(r, event, DOC_LIST, event->data.sequence_start.anchor,
			       event->data.sequence_start.tag);
	case YAML_MAPPING_START_EVENT:
		return on_open(r, event, DOC_MAP, event->data.mapping_start.anchor,
			       event->data.mapping_start.tag);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_close(r);
	case YAML_ALIAS_EVENT:
		return on_alias(r, event);
	case YAML_DOCUMENT_END_EVENT:
		drop_anchors(r);
		return 0;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_START_EVENT:
		return 0;
	}
	return 0;
}

static int syntax_error(struct reader *r, const char *text)
{
	const yaml_parser_t *p = &r->parser;
	uint32_t line = (uint32_t)p->problem_mark.line + 1;

	if (p->error == YAML_MEMORY_ERROR)
		return doc_build_no_memory(r->build);
	if (p->error == YAML_READER_ERROR) {
		line = 1;
		for (size_t i = 0; i < p->problem_offset; i++)
			line += text[i] == '\n';
	}
	if (p->context)
		return doc_build_fail(r->build, line, "not YAML: %s %s, which begins in line %zu",
				      p->problem, p->context, p->context_mark.line + 1);
	return doc_build_fail(r->build, line, "not YAML: %s",
			      p->problem ? p->problem : "unknown problem");
}

int doc_yaml_read(struct doc_build *build, const char *text, size_t len)
{
	struct reader *r = calloc(1, sizeof(*r));
	bool done = false;
	int rc = 0;

	if (!r)
		return doc_build_no_memory(build);
	r->build = build;
	if (!yaml_parser_initialize(&r->parser)) {
		free(r);
		return doc_build_no_memory(build);
	}
	/* Else a first byte of 0xfe or 0xff would choose UTF-16. */
	yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r->parser, (const unsigned char *)text, len);
	while (!rc && !done) {
		yaml_event_t event;

		if (!yaml_parser_parse(&r->parser, &event)) {
			rc = syntax_error(r, text);
			break;
		}
		done = event.type == YAML_STREAM_END_EVENT;
		rc = on_event(r, &event);
		yaml_event_delete(&event);
	}
	drop_anchors(r);
	yaml_parser_delete(&r->parser);
	free(r);
	return rc;
}
