/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One emitter for people and programs: the same calls write aligned fields and tables, or one JSON
 * document whose keys are those given here. Not for: errors, which go to stderr as sentences.
 */
#ifndef XMESH_CLI_EMIT_H
#define XMESH_CLI_EMIT_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct emit;

struct emit_column {
	const char *key;    /* lower_snake_case */
	const char *head;   /* for people; NULL = in JSON only */
	bool right;
};

/* -ENOMEM. What people read goes to @out at once, JSON at emit_free(). */
int emit_new(bool json, FILE *out, struct emit **ret_emit);
/* Ends what is open, writes the JSON document. 0, or -EIO when @out did not take it. */
int emit_free(struct emit *emit);
/* Ends without a JSON document: a command that fails leaves stdout to what it wrote for people. */
void emit_drop(struct emit *emit);

/*
 * A field of the innermost object: "LABEL: value". A NULL text is null and "-". @label NULL = JSON
 * only.
 */
void emit_text(struct emit *emit, const char *key, const char *label, const char *text);
void emit_number(struct emit *emit, const char *key, const char *label, uint64_t number);
void emit_bool(struct emit *emit, const char *key, const char *label, bool yes);

/* Inside of an array @key is ignored: the object is its next item. */
void emit_object(struct emit *emit, const char *key, const char *title);
void emit_object_end(struct emit *emit);
/* An array of objects that are no table. */
void emit_array(struct emit *emit, const char *key);
void emit_array_end(struct emit *emit);
/* JSON only: any value; the reference is taken over. */
void emit_json(struct emit *emit, const char *key, json_object *value);

/*
 * Sentences, one a line. An empty list is an empty array, and for people nothing but @empty if that
 * is given.
 */
void emit_list(struct emit *emit, const char *key, const char *title, const char *const *v,
	       size_t n,
	       const char *empty);

/*
 * A table: an array of objects. Then for each row emit_row() and one cell per column, in order.
 * @empty is what people read in place of a table without rows; NULL = nothing.
 */
void emit_table(struct emit *emit, const char *key, const char *title,
		const struct emit_column *columns,
		size_t n_columns, const char *empty);
void emit_row(struct emit *emit);
void emit_cell_text(struct emit *emit, const char *text);
void emit_cell_number(struct emit *emit, uint64_t number);
void emit_cell_bool(struct emit *emit, bool yes);
void emit_cell_age(struct emit *emit, uint64_t seconds);
void emit_table_end(struct emit *emit);

#endif
