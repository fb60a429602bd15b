/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One emitter for people (libsmartcols) and programs (json-c). */
#include "cli/emit.h"

#include <errno.h>
#include <libsmartcols.h>
#include <string.h>
#include <unistd.h>

#include "core/defs.h"
#include "core/text.h"

#define MAX_NESTING 8

struct emit {
	FILE *out;
	json_object *root;                    /* NULL: for people */
	json_object *stack[MAX_NESTING];      /* open objects and arrays, root first */
	size_t depth;
	bool printed;                         /* something is on the screen: titles want a blank line */

	const struct emit_column *columns;    /* of the open table, NULL = none */
	size_t n_columns, column;
	const char *title, *empty;
	size_t n_rows;
	json_object *rows, *row;
	struct libscols_table *table;
	struct libscols_line *line;
	size_t shown;                         /* columns that people see, so far in this row */
};

int emit_new(bool json, FILE *out, struct emit **ret_emit)
{
	struct emit *emit = calloc(1, sizeof(*emit));

	if (!emit)
		return -ENOMEM;
	emit->out = out;
	if (json) {
		emit->root = json_object_new_object();
		if (!emit->root) {
			free(emit);
			return -ENOMEM;
		}
		emit->stack[emit->depth++] = emit->root;
	}
	*ret_emit = emit;
	return 0;
}

int emit_free(struct emit *emit)
{
	int code = 0;

	if (!emit)
		return 0;
	if (emit->columns)
		emit_table_end(emit);
	if (emit->root) {
		fputs(json_object_to_json_string_ext(emit->root,
						     JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
							     JSON_C_TO_STRING_NOSLASHESCAPE),
		      emit->out);
		fputc('\n', emit->out);
		json_object_put(emit->root);
	}
	if (fflush(emit->out) || ferror(emit->out))
		code = -EIO;
	free(emit);
	return code;
}

void emit_drop(struct emit *emit)
{
	if (!emit)
		return;
	json_object_put(emit->root);
	if (emit->table)
		scols_unref_table(emit->table);
	free(emit);
}

/* What a peer wrote is shown without control characters: nothing may move the cursor. */
static void print_clean(FILE *out, const char *text)
{
	for (; *text; text++)
		fputc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, out);
}

/* @value becomes part of what is open. */
static void add(struct emit *emit, const char *key, json_object *value)
{
	json_object *top = emit->stack[emit->depth - 1];

	if (json_object_is_type(top, json_type_array))
		json_object_array_add(top, value);
	else
		json_object_object_add(top, key, value);
}

static void open_value(struct emit *emit, const char *key, json_object *value)
{
	add(emit, key, value);
	if (emit->depth < MAX_NESTING)
		emit->stack[emit->depth++] = value;
}

static void field(struct emit *emit, const char *key, const char *label, json_object *value,
		  const char *text)
{
	if (emit->root) {
		add(emit, key, value);
		return;
	}
	if (!label)
		return;
	fprintf(emit->out, "%s:%*s", label, (int)MAX(1, 18 - (int)strlen(label)), "");
	print_clean(emit->out, text);
	fputc('\n', emit->out);
	emit->printed = true;
}

void emit_text(struct emit *emit, const char *key, const char *label, const char *text)
{
	field(emit, key, label, emit->root && text ? json_object_new_string(text) : NULL, text ? text : "-");
}

void emit_number(struct emit *emit, const char *key, const char *label, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	field(emit, key, label, emit->root ? json_object_new_uint64(number) : NULL, text);
}

void emit_bool(struct emit *emit, const char *key, const char *label, bool yes)
{
	field(emit, key, label, emit->root ? json_object_new_boolean(yes) : NULL, yes ? "yes" : "no");
}

static void print_title(struct emit *emit, const char *title)
{
	if (!title)
		return;
	fprintf(emit->out, "%s%s\n", emit->printed ? "\n" : "", title);
	emit->printed = true;
}

void emit_object(struct emit *emit, const char *key, const char *title)
{
	if (emit->root)
		open_value(emit, key, json_object_new_object());
	else
		print_title(emit, title);
}

void emit_object_end(struct emit *emit)
{
	if (emit->root && emit->depth > 1)
		emit->depth--;
}

void emit_array(struct emit *emit, const char *key)
{
	if (emit->root)
		open_value(emit, key, json_object_new_array());
}

void emit_array_end(struct emit *emit)
{
	emit_object_end(emit);
}

void emit_json(struct emit *emit, const char *key, json_object *value)
{
	if (emit->root)
		add(emit, key, value);
	else
		json_object_put(value);
}

void emit_list(struct emit *emit, const char *key, const char *title, const char *const *v, size_t n,
	       const char *empty)
{
	if (emit->root) {
		json_object *list = json_object_new_array();

		for (size_t i = 0; i < n; i++)
			json_object_array_add(list, json_object_new_string(v[i]));
		add(emit, key, list);
		return;
	}
	if (!n && !empty)
		return;
	print_title(emit, title);
	for (size_t i = 0; i < n; i++) {
		fputs(title ? "  " : "", emit->out);
		print_clean(emit->out, v[i]);
		fputc('\n', emit->out);
	}
	if (!n)
		fprintf(emit->out, "%s%s\n", title ? "  " : "", empty);
	emit->printed = true;
}

void emit_table(struct emit *emit, const char *key, const char *title, const struct emit_column *columns,
		size_t n_columns, const char *empty)
{
	emit->columns = columns;
	emit->n_columns = n_columns;
	emit->column = n_columns;
	emit->title = title;
	emit->empty = empty;
	emit->n_rows = 0;
	if (emit->root) {
		emit->rows = json_object_new_array();
		add(emit, key, emit->rows);
		return;
	}
	scols_init_debug(0);
	emit->table = scols_new_table();
	if (!emit->table)
		return;
	/* Never cut: who pipes it wants all of it, and a terminal wraps. */
	scols_table_enable_maxout(emit->table, 0);
	scols_table_set_column_separator(emit->table, "  ");
	scols_table_set_stream(emit->table, emit->out);
	for (size_t i = 0; i < n_columns; i++)
		if (columns[i].head)
			scols_table_new_column(emit->table, columns[i].head, 0,
					       columns[i].right ? SCOLS_FL_RIGHT : 0);
}

void emit_row(struct emit *emit)
{
	emit->column = 0;
	emit->shown = 0;
	emit->n_rows++;
	if (emit->root) {
		emit->row = json_object_new_object();
		json_object_array_add(emit->rows, emit->row);
		return;
	}
	emit->line = emit->table ? scols_table_new_line(emit->table, NULL) : NULL;
}

static void cell(struct emit *emit, json_object *value, const char *text)
{
	const struct emit_column *column;

	if (emit->column >= emit->n_columns) {
		json_object_put(value);
		return;
	}
	column = &emit->columns[emit->column++];
	if (emit->root) {
		json_object_object_add(emit->row, column->key, value);
		return;
	}
	if (column->head && emit->line)
		scols_line_set_data(emit->line, emit->shown++, text);
}

void emit_cell_text(struct emit *emit, const char *text)
{
	cell(emit, emit->root && text ? json_object_new_string(text) : NULL, text ? text : "-");
}

void emit_cell_number(struct emit *emit, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	cell(emit, emit->root ? json_object_new_uint64(number) : NULL, text);
}

void emit_cell_bool(struct emit *emit, bool yes)
{
	cell(emit, emit->root ? json_object_new_boolean(yes) : NULL, yes ? "yes" : "no");
}

void emit_cell_age(struct emit *emit, uint64_t seconds)
{
	char text[24];

	cell(emit, emit->root ? json_object_new_uint64(seconds) : NULL, text_age(seconds, text, sizeof(text)));
}

void emit_table_end(struct emit *emit)
{
	emit->columns = NULL;
	if (emit->root)
		return;
	if (emit->n_rows) {
		print_title(emit, emit->title);
		if (emit->table)
			scols_print_table(emit->table);
		emit->printed = true;
	} else if (emit->empty) {
		print_title(emit, emit->title);
		fprintf(emit->out, "%s%s\n", emit->title ? "  " : "", emit->empty);
		emit->printed = true;
	}
	if (emit->table)
		scols_unref_table(emit->table);
	emit->table = NULL;
	emit->line = NULL;
}
