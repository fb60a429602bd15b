/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Durations, numbers, near words, ages and DNS names. Not for: addresses (core/addr.h). */
#include "core/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/defs.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

int text_duration(const char *text, uint64_t *ret_ms, struct err *err)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = {
		{ "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 },
	};
	const char *c = text;
	uint64_t total = 0;

	if (!strcmp(text, "never")) {
		*ret_ms = UINT64_MAX;
		return 0;
	}
	if (!*c)
		goto bad;
	while (*c) {
		uint64_t n = 0, part;
		size_t unit, len = 0;

		if (!is_digit(*c))
			goto bad;
		for (; is_digit(*c); c++) {
			if (__builtin_mul_overflow(n, 10u, &n) ||
			    __builtin_add_overflow(n, (uint64_t)(*c - '0'), &n))
				goto big;
		}
		while (c[len] && !is_digit(c[len]))
			len++;
		for (unit = 0; unit < ARRAY_SIZE(units); unit++) {
			if (strlen(units[unit].unit) == len && !memcmp(units[unit].unit, c, len))
				break;
		}
		if (unit == ARRAY_SIZE(units))
			goto bad;
		c += len;
		if (__builtin_mul_overflow(n, units[unit].ms, &part) ||
		    __builtin_add_overflow(total, part, &total) || total == UINT64_MAX)
			goto big;
	}
	*ret_ms = total;
	return 0;
bad:
	return err_set(err, -EINVAL,
		       "\"%.64s\" is not a duration: write it as in 5m, 1h30m, 250ms or never", text);
big:
	return err_set(err, -EINVAL, "the duration \"%.64s\" is too long: write never", text);
}

int text_number(const char *text, int64_t min, int64_t max, int64_t *ret_n, struct err *err)
{
	bool negative = *text == '-', overflow = false;
	const char *c = text + negative;
	int64_t n = 0;

	if (!is_digit(*c))
		goto bad;
	for (; is_digit(*c); c++) {
		int64_t digit = *c - '0';

		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, negative ? -digit : digit, &n))
			overflow = true;
	}
	if (*c)
		goto bad;
	if (overflow || n < min || n > max)
		return err_set(err, -ERANGE,
			       "%.64s is out of range: it must be %" PRId64 " to %" PRId64, text, min,
			       max);
	*ret_n = n;
	return 0;
bad:
	return err_set(err, -EINVAL, "\"%.64s\" is not a whole number", text);
}

/* Words longer than this are nobody's typing error. */
#define NEAR_MAX 64

/* Optimal string alignment: insert, delete, change and swap of two neighbours cost one each. */
static size_t edit_distance(const char *a, size_t n, const char *b, size_t m)
{
	size_t rows[3][NEAR_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *now = rows[2];

	for (size_t j = 0; j <= m; j++)
		last[j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t *spare = before;

		now[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t d = last[j - 1] + (a[i - 1] != b[j - 1]);

			d = MIN(d, last[j] + 1);
			d = MIN(d, now[j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d = MIN(d, before[j - 2] + 1);
			now[j] = d;
		}
		before = last;
		last = now;
		now = spare;
	}
	return last[m];
}

const char *text_nearest(const char *word, const char *const *words)
{
	size_t n = strlen(word), best = SIZE_MAX;
	const char *nearest = NULL;

	if (n > NEAR_MAX)
		return NULL;
	for (; *words; words++) {
		size_t m = strlen(*words), d;

		if (m > NEAR_MAX)
			continue;
		d = edit_distance(word, n, *words, m);
		/* A third of the letters wrong is a different word. */
		if (d < best && d <= 1 + MAX(n, m) / 4 && d < m) {
			best = d;
			nearest = *words;
		}
	}
	return nearest;
}

/* "3h" or, with a rest, "3h5m". */
static void format_pair(char *buf, size_t size, uint64_t n, char unit, uint64_t rest,
			char rest_unit)
{
	if (rest)
		snprintf(buf, size, "%" PRIu64 "%c%" PRIu64 "%c", n, unit, rest, rest_unit);
	else
		snprintf(buf, size, "%" PRIu64 "%c", n, unit);
}

const char *text_age(uint64_t seconds, char *buf, size_t size)
{
	uint64_t minutes = seconds / 60, hours = seconds / 3600, days = hours / 24;

	if (seconds < 120)
		format_pair(buf, size, seconds, 's', 0, 0);
	else if (minutes < 10)
		format_pair(buf, size, minutes, 'm', seconds % 60, 's');
	else if (hours < 3)
		format_pair(buf, size, minutes, 'm', 0, 0);
	else if (hours < 8)
		format_pair(buf, size, hours, 'h', minutes % 60, 'm');
	else if (hours < 48)
		format_pair(buf, size, hours, 'h', 0, 0);
	else if (days < 8)
		format_pair(buf, size, days, 'd', hours % 24, 'h');
	else if (days < 2 * 365)
		format_pair(buf, size, days, 'd', 0, 0);
	else if (days < 8 * 365)
		format_pair(buf, size, days / 365, 'y', days % 365, 'd');
	else
		format_pair(buf, size, days / 365, 'y', 0, 0);
	return buf;
}

int text_is_dns1123(const char *text, size_t max, int dots)
{
	size_t len = 0, label = 0;
	char before = '.';

	for (; text[len]; len++) {
		char c = text[len];

		if (len >= max)
			return 0;
		if (c == '.') {
			if (!dots || before == '.' || before == '-')
				return 0;
			label = 0;
		} else if (c == '-') {
			if (before == '.')
				return 0;
			label++;
		} else if ((c >= 'a' && c <= 'z') || is_digit(c)) {
			label++;
		} else {
			return 0;
		}
		/* Kubernetes does not hold the labels of a subdomain to 63; DNS itself does. */
		if (label > 63 && !dots)
			return 0;
		before = c;
	}
	return len > 0 && before != '.' && before != '-';
}
