/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * JSON (RFC 8259), strictly. json-c is not used for it: it lets the last of two equal keys win
 * and does not tell lines. Nodes bear line 0 (files of one line are usual), errors the real one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/defs.h"
#include "core/doc_build.h"

struct reader {
	struct doc_build *build;
	const char *at, *end;
	uint32_t line;
	char *string;        /* the unescaped string read last */
	size_t len, room;
};

static int fail(struct reader *r, const char *what)
{
	if (r->at == r->end)
		return doc_build_fail(r->build, r->line, "not JSON: the text ends too early");
	return doc_build_fail(r->build, r->line, "not JSON: %s", what);
}

static void skip_space(struct reader *r)
{
	for (; r->at < r->end; r->at++) {
		if (*r->at == '\n')
			r->line++;
		else if (*r->at != ' ' && *r->at != '\t' && *r->at != '\r')
			break;
	}
}

static bool accept(struct reader *r, char c)
{
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

/* Four hexadecimal digits. */
static int read_unit(struct reader *r, uint32_t *ret_unit)
{
	uint32_t unit = 0;

	for (int i = 0; i < 4; i++) {
		char c = r->at < r->end ? *r->at : '\0';
		uint32_t digit;

		if (c >= '0' && c <= '9')
			digit = (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			digit = (uint32_t)(c - 'a') + 10;
		else if (c >= 'A' && c <= 'F')
			digit = (uint32_t)(c - 'A') + 10;
		else
			return fail(r, "\\u needs four hexadecimal digits");
		unit = unit << 4 | digit;
		r->at++;
	}
	*ret_unit = unit;
	return 0;
}

static void put_utf8(struct reader *r, uint32_t c)
{
	char *out = r->string + r->len;

	if (c < 0x80) {
		out[0] = (char)c;
		r->len += 1;
	} else if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		r->len += 2;
	} else if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		r->len += 3;
	} else {
		out[0] = (char)(0xf0 | c >> 18);
		out[1] = (char)(0x80 | (c >> 12 & 0x3f));
		out[2] = (char)(0x80 | (c >> 6 & 0x3f));
		out[3] = (char)(0x80 | (c & 0x3f));
		r->len += 4;
	}
}

static int read_escape(struct reader *r)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *known;
	uint32_t c, low;
	int rc;

	if (r->at == r->end)
		return fail(r, "");
	if (*r->at != 'u') {
		known = strchr(from, *r->at);
		if (!known)
			return fail(r, "an unknown escape in a string");
		r->string[r->len++] = to[known - from];
		r->at++;
		return 0;
	}
	r->at++;
	rc = read_unit(r, &c);
	if (rc)
		return rc;
	if (c >= 0xdc00 && c <= 0xdfff)
		return fail(r, "half of a surrogate pair in a string");
	if (c >= 0xd800 && c <= 0xdbff) {
		if (!accept(r, '\\') || !accept(r, 'u'))
			return fail(r, "half of a surrogate pair in a string");
		rc = read_unit(r, &low);
		if (rc)
			return rc;
		if (low < 0xdc00 || low > 0xdfff)
			return fail(r, "half of a surrogate pair in a string");
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	put_utf8(r, c);
	return 0;
}

static bool is_plain(char c)
{
	return (unsigned char)c >= 0x20 && c != '"' && c != '\\';
}

/* The characters up to the next that means something, as far as there is room: one at least. */
static void copy_plain(struct reader *r)
{
	size_t n = 1, max = MIN(r->room - r->len, (size_t)(r->end - r->at));

	while (n < max && is_plain(r->at[n]))
		n++;
	memcpy(r->string + r->len, r->at, n);
	r->len += n;
	r->at += n;
}

/* Into r->string; r->at stands on the opening quote. */
static int read_string(struct reader *r)
{
	int rc;

	r->at++;
	r->len = 0;
	for (;;) {
		if (r->len + 4 > r->room) {
			size_t room = r->room ? r->room * 2 : 256;
			char *more = realloc(r->string, room);

			if (!more)
				return doc_build_no_memory(r->build);
			r->string = more;
			r->room = room;
		}
		if (r->at == r->end)
			return fail(r, "");
		if (accept(r, '"'))
			return 0;
		if ((unsigned char)*r->at < 0x20)
			return fail(r, "a control character in a string: is its closing quote missing?");
		/* Said here, so that a hostile string is not copied to its end first. */
		if (r->len > DOC_MAX_SCALAR)
			return doc_build_fail(r->build, r->line,
					      "a value of more than %u bytes: that is the most that is read",
					      DOC_MAX_SCALAR);
		if (accept(r, '\\')) {
			rc = read_escape(r);
			if (rc)
				return rc;
		} else {
			copy_plain(r);
		}
	}
}

static bool skip_digits(struct reader *r)
{
	const char *start = r->at;

	while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
		r->at++;
	return r->at != start;
}

static int read_number(struct reader *r)
{
	const char *start = r->at, *first;
	enum doc_type type = DOC_INT;
	int64_t integer = 0;

	accept(r, '-');
	first = r->at;
	if (!skip_digits(r) || (*first == '0' && r->at - first > 1))
		return fail(r, "a malformed number");
	if (accept(r, '.')) {
		type = DOC_FLOAT;
		if (!skip_digits(r))
			return fail(r, "a malformed number");
	}
	if (accept(r, 'e') || accept(r, 'E')) {
		type = DOC_FLOAT;
		if (!accept(r, '-'))
			accept(r, '+');
		if (!skip_digits(r))
			return fail(r, "a malformed number");
	}
	if (type == DOC_INT) {
		char digits[32] = "";
		size_t len = (size_t)(r->at - start);

		if (len < sizeof(digits)) {
			memcpy(digits, start, len);
			errno = 0;
			integer = strtoll(digits, NULL, 10);
		}
		if (len >= sizeof(digits) || errno) {
			type = DOC_FLOAT;
			integer = 0;
		}
	}
	return doc_build_scalar(r->build, type, start, (size_t)(r->at - start), integer, r->line, 0);
}

static int read_word(struct reader *r)
{
	static const struct {
		const char *text;
		enum doc_type type;
		int64_t integer;
	} words[] = {
		{ "null", DOC_NULL, 0 }, { "true", DOC_BOOL, 1 }, { "false", DOC_BOOL, 0 },
	};
	const char *start = r->at;
	size_t len;

	while (r->at < r->end && *r->at >= 'a' && *r->at <= 'z')
		r->at++;
	len = (size_t)(r->at - start);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (len == strlen(words[i].text) && !memcmp(start, words[i].text, len))
			return doc_build_scalar(r->build, words[i].type, start, len,
						words[i].integer, r->line, 0);
	}
	return fail(r, "expected a value");
}

/* A scalar, or the begin of a list or map. */
static int read_value(struct reader *r)
{
	int rc;

	if (r->at == r->end)
		return fail(r, "");
	switch (*r->at) {
	case '{':
		r->at++;
		return doc_build_open(r->build, DOC_MAP, r->line);
	case '[':
		r->at++;
		return doc_build_open(r->build, DOC_LIST, r->line);
	case '"':
		rc = read_string(r);
		if (rc)
			return rc;
		return doc_build_scalar(r->build, DOC_STRING, r->string, r->len, 0, r->line, 0);
	default:
		if (*r->at == '-' || (*r->at >= '0' && *r->at <= '9'))
			return read_number(r);
		return read_word(r);
	}
}

static int read_key(struct reader *r)
{
	int rc;

	if (r->at == r->end || *r->at != '"')
		return fail(r, "expected a key in double quotes (begin a YAML file with --- )");
	rc = read_string(r);
	if (rc)
		return rc;
	rc = doc_build_key(r->build, r->string, r->len, r->line);
	if (rc)
		return rc;
	skip_space(r);
	if (!accept(r, ':'))
		return fail(r, "expected a colon behind the key");
	skip_space(r);
	return 0;
}

/* One value with all that is in it, without recursion: the builder keeps what is open. */
static int read_all(struct reader *r)
{
	struct doc_build *b = r->build;
	int rc;

	skip_space(r);
	rc = read_value(r);
	while (!rc && b->depth) {
		const struct doc_frame *frame = &b->frames[b->depth - 1];
		bool first = b->n_stack == frame->first;
		char close = frame->type == DOC_MAP ? '}' : ']';

		skip_space(r);
		if (accept(r, close)) {
			rc = doc_build_close(b, 0);
			continue;
		}
		if (!first) {
			if (!accept(r, ','))
				return fail(r, close == '}' ? "expected , or }" : "expected , or ]");
			skip_space(r);
		}
		if (close == '}') {
			rc = read_key(r);
			if (rc)
				return rc;
		}
		rc = read_value(r);
	}
	if (rc)
		return rc;
	skip_space(r);
	if (r->at != r->end)
		return doc_build_fail(b, r->line,
				      "not JSON: text behind the end of the document (use a List)");
	return 0;
}

int doc_json_read(struct doc_build *build, const char *text, size_t len)
{
	struct reader r = { .build = build, .at = text, .end = text + len, .line = 1 };
	int rc = read_all(&r);

	free(r.string);
	return rc;
}
