/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Values out of a document, each refusal with file, line, place and what to write instead. Not
 * for: which keys there are.
 */
#include "model/config_reader.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"

int config_fail(struct config_reader *r, const struct doc *at, int code)
{
	if (*r->where)
		err_in(r->err, code, "%s", r->where);
	if (at && at->line)
		return err_in(r->err, code, "%s:%u", r->config->file, at->line);
	return err_in(r->err, code, "%s", r->config->file);
}

int config_no_memory(struct config_reader *r)
{
	return err_set(r->err, -ENOMEM, "%s: out of memory", r->config->file);
}

size_t config_enter(struct config_reader *r, const char *fmt, ...)
{
	size_t len = strlen(r->where);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->where + len, sizeof(r->where) - len, fmt, ap);
	va_end(ap);
	return len;
}

void config_leave(struct config_reader *r, size_t len)
{
	r->where[len] = '\0';
}

static int unknown_key(struct config_reader *r, const struct doc *map, uint32_t i,
		       const struct config_key *keys, size_t n_keys)
{
	const struct doc at = { .line = map->key_lines[i] };
	const char *words[CONFIG_MAX_KEYS + 1] = { NULL };
	const char *nearest;
	char known[256] = "";

	for (size_t k = 0; k < n_keys; k++) {
		words[k] = keys[k].name;
		if (k)
			strncat(known, ", ", sizeof(known) - strlen(known) - 1);
		strncat(known, keys[k].name, sizeof(known) - strlen(known) - 1);
	}
	nearest = text_nearest(map->keys[i], words);
	if (nearest)
		return FAIL(r, &at, "unknown key \"%.64s\": did you mean \"%s\"?", map->keys[i],
			    nearest);
	return FAIL(r, &at, "unknown key \"%.64s\": known here are %s", map->keys[i], known);
}

int config_read_map(struct config_reader *r, const struct doc *map, const struct config_key *keys,
		    size_t n_keys)
{
	if (map->type != DOC_MAP)
		return FAIL(r, map, "must be a map of keys, as in %s: ...", keys[0].name);
	for (uint32_t i = 0; i < map->n; i++) {
		size_t k = 0;

		while (k < n_keys && strcmp(keys[k].name, map->keys[i]))
			k++;
		if (k == n_keys)
			return unknown_key(r, map, i, keys, n_keys);
	}
	for (size_t k = 0; k < n_keys; k++) {
		const struct doc *value = doc_get(map, keys[k].name);
		size_t len;
		int rc;

		if (doc_is_null(value))
			continue;
		len = config_enter(r, "%s%s", *r->where ? "." : "", keys[k].name);
		rc = keys[k].read(r, value);
		if (rc)
			return rc;
		config_leave(r, len);
	}
	return 0;
}

int config_get_text(struct config_reader *r, const struct doc *value, const char **ret_text)
{
	const char *text = doc_text(value);

	if (!text)
		return FAIL(r, value, "must be a text");
	*ret_text = text;
	return 0;
}

int config_get_number(struct config_reader *r, const struct doc *value, int64_t min, int64_t max,
		      int64_t *ret_n)
{
	const char *text;
	int rc;

	rc = config_get_text(r, value, &text);
	if (rc)
		return rc;
	rc = text_number(text, min, max, ret_n, r->err);
	return rc ? config_fail(r, value, -EINVAL) : 0;
}

int config_get_word(struct config_reader *r, const struct doc *value, const char *const *words,
		    unsigned int *ret_index)
{
	const char *text = value->text;
	char all[128] = "";

	for (unsigned int i = 0; words[i]; i++) {
		if (text && !strcmp(text, words[i])) {
			*ret_index = i;
			return 0;
		}
		if (i)
			strncat(all, words[i + 1] ? ", " : " or ", sizeof(all) - strlen(all) - 1);
		strncat(all, words[i], sizeof(all) - strlen(all) - 1);
	}
	if (!text)
		return FAIL(r, value, "must be %s", all);
	return FAIL(r, value, "\"%.64s\": must be %s", text, all);
}

int config_set_text(struct config_reader *r, const char *text, char **field)
{
	char *copy = strdup(text);

	if (!copy)
		return config_no_memory(r);
	free(*field);
	*field = copy;
	return 0;
}

int config_warn(struct config_reader *r, const struct doc *value, const char *fmt, ...)
{
	struct config *c = r->config;
	char **more = reallocarray(c->warnings, c->n_warnings + 1, sizeof(*more));
	struct err warning;
	char text[512];
	va_list ap;

	if (!more)
		return config_no_memory(r);
	c->warnings = more;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (value && value->line)
		err_set(&warning, 0, "%s:%u: %s: %s", c->file, value->line, r->where, text);
	else
		err_set(&warning, 0, "%s: %s: %s", c->file, r->where, text);
	more[c->n_warnings] = strdup(warning.text);
	if (!more[c->n_warnings])
		return config_no_memory(r);
	c->n_warnings++;
	return 0;
}

int config_get_path(struct config_reader *r, const struct doc *value, char **field)
{
	const char *file = r->config->file, *slash = strrchr(file, '/'), *text;
	char *path;
	int rc;

	rc = config_get_text(r, value, &text);
	if (rc)
		return rc;
	if (!*text || strlen(text) > CONFIG_PATH_TEXT_MAX || !config_is_printable(text))
		return FAIL(r, value, "\"%.64s\" is not the path of a file or folder", text);
	/* A relative path means the same wherever the agent was started. */
	if (*text == '/' || !slash)
		rc = asprintf(&path, "%s", text);
	else
		rc = asprintf(&path, "%.*s/%s", (int)(slash - file), file, text);
	if (rc < 0)
		return config_no_memory(r);
	free(*field);
	*field = path;
	return 0;
}

bool config_is_printable(const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)text[1] < 0xa0))
			return false;
	}
	return true;
}
