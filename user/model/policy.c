/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Comma lists of cluster names, with and without numbers. */
#include "model/policy.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/defs.h"
#include "core/text.h"
#include "core/vec.h"

static char *trim(char *text)
{
	char *end;

	text += strspn(text, " \t");
	end = text + strlen(text);
	while (end > text && strchr(" \t", end[-1]))
		*--end = '\0';
	return text;
}

static int check_name(const char *name, struct err *err)
{
	if (!*name)
		return err_set(err, -EINVAL, "a name between commas is empty");
	if (!text_is_dns1123(name, 63, 0))
		return err_set(err, -EINVAL, "\"%.64s\" is no cluster's name", name);
	return 0;
}

int policy_parse_prefer(const char *text, char (**ret_prefer)[64], size_t *ret_n, struct err *err)
{
	auto_free char *copy = strdup(text);
	auto_free char (*prefer)[64] = NULL;
	char *rest = copy, *item;
	size_t n = 0;
	int rc;

	if (!copy)
		return err_set(err, -ENOMEM, "out of memory");
	if (!*trim(copy))
		rest = NULL;
	while ((item = strsep(&rest, ","))) {
		item = trim(item);
		rc = strcmp(item, "*") ? check_name(item, err) : 0;
		if (rc)
			return rc;
		for (size_t i = 0; i < n; i++)
			if (!strcmp(prefer[i], item))
				return err_set(err, -EINVAL, "\"%s\" is in it twice", item);
		if (n == SNAPSHOT_MAX_TIERS)
			return err_set(err, -EINVAL, "more than %d names", SNAPSHOT_MAX_TIERS);
		if (vec_grow(&prefer, n, sizeof(*prefer)))
			return err_set(err, -ENOMEM, "out of memory");
		snprintf(prefer[n++], sizeof(*prefer), "%s", item);
	}
	*ret_prefer = take(prefer);
	*ret_n = n;
	return 0;
}

int policy_parse_weights(const char *text, struct weight_object **ret_weights, size_t *ret_n,
			 struct err *err)
{
	auto_free char *copy = strdup(text);
	auto_free struct weight_object *weights = NULL;
	char *rest = copy, *item;
	size_t n = 0;
	int rc;

	if (!copy)
		return err_set(err, -ENOMEM, "out of memory");
	if (!*trim(copy))
		rest = NULL;
	while ((item = strsep(&rest, ","))) {
		char *number = item, *name = trim(strsep(&number, "="));
		int64_t weight;

		rc = check_name(name, err);
		if (!rc && !number)
			rc = err_set(err, -EINVAL, "\"%s\" has no weight: write %s=NUMBER", name,
				     name);
		if (!rc && text_number(trim(number), 0, POLICY_MAX_WEIGHT, &weight, err))
			rc = -EINVAL;
		if (rc)
			return rc;
		for (size_t i = 0; i < n; i++)
			if (!strcmp(weights[i].cluster, name))
				return err_set(err, -EINVAL, "\"%s\" is in it twice", name);
		if (n == SNAPSHOT_MAX_TIERS)
			return err_set(err, -EINVAL, "more than %d names", SNAPSHOT_MAX_TIERS);
		if (vec_grow(&weights, n, sizeof(*weights)))
			return err_set(err, -ENOMEM, "out of memory");
		snprintf(weights[n].cluster, sizeof(weights[n].cluster), "%s", name);
		weights[n++].weight = weight;
	}
	*ret_weights = take(weights);
	*ret_n = n;
	return 0;
}

static __attribute__((format(printf, 4, 5))) void append(char *buf, size_t size, size_t *len,
							  const char *fmt, ...)
{
	va_list ap;

	if (*len >= size)
		return;
	va_start(ap, fmt);
	*len += vsnprintf(buf + *len, size - *len, fmt, ap);
	va_end(ap);
	if (*len >= size)
		memcpy(buf + size - 4, "...", 4);
}

void policy_format_prefer(const struct service_object *service, char *buf, size_t size)
{
	size_t len = 0;

	*buf = '\0';
	for (size_t i = 0; i < service->n_prefer; i++)
		append(buf, size, &len, "%s%s", i ? "," : "", service->prefer[i]);
}

void policy_format_weights(const struct service_object *service, char *buf, size_t size)
{
	size_t len = 0;

	*buf = '\0';
	for (size_t i = 0; i < service->n_weights; i++)
		append(buf, size, &len, "%s%s=%u", i ? "," : "", service->weights[i].cluster,
		       service->weights[i].weight);
}

#define NEAREST "nearest: "

static int by_weight(const void *va, const void *vb)
{
	const struct weight_object *a = va, *b = vb;

	return a->weight != b->weight ? (a->weight < b->weight ? 1 : -1) : strcmp(a->cluster, b->cluster);
}

void policy_format_nearest(struct weight_object *weights, size_t n, char *buf, size_t size)
{
	size_t len = 0;

	if (n)
		qsort(weights, n, sizeof(*weights), by_weight);
	append(buf, size, &len, NEAREST);
	for (size_t i = 0; i < n; i++)
		append(buf, size, &len, "%s%s=%u", i ? "," : "", weights[i].cluster, weights[i].weight);
}

bool policy_is_nearest(const char *text)
{
	return !strncmp(text, NEAREST, strlen(NEAREST));
}

int policy_parse_nearest(const char *text, struct weight_object **ret_weights, size_t *ret_n)
{
	auto_free char *copy = strdup(text + strlen(NEAREST));
	char *end;

	if (!copy)
		return -ENOMEM;
	/* The last one may be cut inside of its number: without it. */
	if (strlen(copy) > 3 && !strcmp(copy + strlen(copy) - 3, "...")) {
		end = strrchr(copy, ',');
		*(end ? end : copy) = '\0';
	}
	return policy_parse_weights(copy, ret_weights, ret_n, NULL);
}
