/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Prometheus text into a growing buffer. */
#include "agent/metrics_text.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bounds of the buckets as text, in seconds: 2^i us is exact in seven digits behind the point at most. */
static char bounds[METRICS_TEXT_BUCKETS][16];

static void __attribute__((constructor)) bounds_init(void)
{
	for (unsigned int i = 0; i < METRICS_TEXT_BUCKETS; i++)
		snprintf(bounds[i], sizeof(bounds[i]), "%.9g", (double)(1u << i) / 1e6);
}

static char *room(struct metrics_text *t, size_t n)
{
	size_t capacity = t->capacity ? t->capacity : 65536;
	char *p;

	if (t->failed)
		return NULL;
	if (t->capacity - t->len >= n)
		return t->p + t->len;
	while (capacity - t->len < n)
		capacity *= 2;
	p = realloc(t->p, capacity);
	if (!p) {
		t->failed = true;
		return NULL;
	}
	t->p = p;
	t->capacity = capacity;
	return p + t->len;
}

static void put(struct metrics_text *t, const char *text, size_t n)
{
	char *to = room(t, n);

	if (!to)
		return;
	memcpy(to, text, n);
	t->len += n;
}

static void put_text(struct metrics_text *t, const char *text)
{
	put(t, text, strlen(text));
}

static void put_number(struct metrics_text *t, uint64_t n)
{
	char digits[20];
	size_t i = sizeof(digits);

	do
		digits[--i] = (char)('0' + n % 10);
	while (n /= 10);
	put(t, digits + i, sizeof(digits) - i);
}

static void put_escaped(struct metrics_text *t, const char *text)
{
	size_t n;

	for (; *text; text++) {
		n = strcspn(text, "\\\"\n");
		put(t, text, n);
		text += n;
		if (!*text)
			return;
		put(t, *text == '\n' ? "\\n" : *text == '"' ? "\\\"" : "\\\\", 2);
	}
}

void metrics_text_family(struct metrics_text *t, const char *name, const char *type, const char *help)
{
	const char *const parts[] = { "# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n" };

	t->name = name;
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		put_text(t, parts[i]);
}

static void put_pairs(struct metrics_text *t, const char *const *labels)
{
	for (size_t i = 0; labels && labels[i]; i += 2) {
		if (i)
			put(t, ",", 1);
		put_text(t, labels[i]);
		put(t, "=\"", 2);
		put_escaped(t, labels[i + 1]);
		put(t, "\"", 1);
	}
}

/* Everything before the value. */
static void put_head(struct metrics_text *t, const char *suffix, const char *const *labels)
{
	put_text(t, t->name);
	put_text(t, suffix);
	if (labels && labels[0]) {
		put(t, "{", 1);
		put_pairs(t, labels);
		put(t, "}", 1);
	}
	put(t, " ", 1);
}

void metrics_text_count(struct metrics_text *t, const char *suffix, const char *const *labels, __u64 value)
{
	put_head(t, suffix, labels);
	put_number(t, value);
	put(t, "\n", 1);
}

void metrics_text_real(struct metrics_text *t, const char *suffix, const char *const *labels, double value)
{
	char number[32];

	snprintf(number, sizeof(number), "%.9g", value);
	put_head(t, suffix, labels);
	put_text(t, number);
	put(t, "\n", 1);
}

/* Seconds out of nanoseconds, exact. */
static void put_ns(struct metrics_text *t, uint64_t ns)
{
	char fraction[10];
	uint32_t rest = (uint32_t)(ns % 1000000000);

	put_number(t, ns / 1000000000);
	for (int i = 9; i > 0; i--, rest /= 10)
		fraction[i] = (char)('0' + rest % 10);
	fraction[0] = '.';
	put(t, fraction, sizeof(fraction));
}

/* The labels are escaped once, and copied from their place in the buffer for each bucket. */
void metrics_text_hist(struct metrics_text *t, const char *const *labels, const struct xm_hist *hist)
{
	uint64_t count = 0;
	unsigned int bucket = 0;
	size_t head = t->len, n = 0;

	for (unsigned int i = 0; i < METRICS_TEXT_BUCKETS; i++) {
		/* Below 2^i us lie bucket 0 and all of the octaves before the i-th. */
		for (; bucket < 1 + i * XM_HIST_SUB; bucket++)
			count += hist->buckets[bucket];
		if (!i) {
			put_text(t, t->name);
			put_text(t, "_bucket{");
			put_pairs(t, labels);
			put_text(t, labels && labels[0] ? ",le=\"" : "le=\"");
			n = t->len - head;
		} else if (room(t, n)) {
			memcpy(t->p + t->len, t->p + head, n);
			t->len += n;
		}
		put_text(t, bounds[i]);
		put(t, "\"} ", 3);
		put_number(t, count);
		put(t, "\n", 1);
	}
	count += hist->buckets[XM_HIST_BUCKETS - 1];
	if (room(t, n)) {
		memcpy(t->p + t->len, t->p + head, n);
		t->len += n;
	}
	put_text(t, "+Inf\"} ");
	put_number(t, count);
	put(t, "\n", 1);
	put_head(t, "_sum", labels);
	put_ns(t, hist->sum_ns);
	put(t, "\n", 1);
	metrics_text_count(t, "_count", labels, count);
}

char *metrics_text_end(struct metrics_text *t, size_t *ret_len)
{
	put(t, "", 1);
	if (t->failed) {
		free(t->p);
		return NULL;
	}
	if (ret_len)
		*ret_len = t->len - 1;
	return t->p;
}
