/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a snapshot would change in global services: two lists of merged services, side by side. A
 * service is its virtual addresses and its backends with their states, each a word here.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/feeddiff.h"
#include "cli/serviceview.h"
#include "core/defs.h"
#include "core/vec.h"

/* Of those that differ; the rest is counted. */
#define LISTED 8

struct words {
	char **v;
	size_t n;
	size_t vips, backends, active;
};

static void done(struct words *words)
{
	vec_free_notes(words->v, words->n);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int add_vip(struct words *words, const struct xm_service_key *key)
{
	char text[SERVICEVIEW_ENDPOINT_MAX], proto[8];

	/* The edge has addresses that clients have too. */
	if (key->scope == XM_SCOPE_EDGE)
		return 0;
	return vec_note(&words->v, &words->n, "VIP %s/%s", serviceview_endpoint(&key->addr, key->port, text),
			serviceview_proto(key->proto, proto));
}

static int add_backend(struct words *words, const struct service_backend *b)
{
	char text[SERVICEVIEW_ENDPOINT_MAX], proto[8];

	if (b->flags & XM_BACKEND_IS_NODE)
		return 0;
	words->backends++;
	words->active += b->state == XM_BACKEND_ACTIVE;
	return vec_note(&words->v, &words->n, "%s/%s %s", serviceview_endpoint(&b->addr, htons(b->port), text),
			serviceview_proto(b->proto, proto), serviceview_state(b->state));
}

/* Sorted, each once: own external addresses are there for clients and for nodes. */
static int collect(const struct service *service, struct words *words)
{
	size_t kept = 0;
	int code = 0;

	for (size_t p = 0; service && p < service->n_pools; p++)
		for (size_t f = 0; !code && f < service->pools[p].n_frontends; f++)
			code = add_vip(words, &service->pools[p].frontends[f].key);
	for (size_t i = 0; service && !code && i < service->n_backends; i++)
		code = add_backend(words, &service->backends[i]);
	if (code || !words->n)
		return code;
	qsort(words->v, words->n, sizeof(*words->v), compare);
	for (size_t i = 0; i < words->n; i++) {
		if (kept && !strcmp(words->v[kept - 1], words->v[i])) {
			free(words->v[i]);
			continue;
		}
		words->v[kept++] = words->v[i];
	}
	words->n = kept;
	for (size_t i = 0; i < kept; i++)
		words->vips += !strncmp(words->v[i], "VIP ", 4);
	return 0;
}

/* Counts, and what the other side does not have. *ret_differ: how many of those. */
static int describe(const struct words *words, const struct words *other, char **ret_text, size_t *ret_differ)
{
	size_t size = 0, differ = 0, i = 0, k = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return -ENOMEM;
	fprintf(out, "%zu VIPs, %zu backends, %zu active", words->vips, words->backends, words->active);
	while (i < words->n) {
		int order = k < other->n ? strcmp(words->v[i], other->v[k]) : -1;

		k += order >= 0;
		if (order < 0 && differ++ < LISTED)
			fprintf(out, "%s%s", differ == 1 ? ": " : ", ", words->v[i]);
		i += order <= 0;
	}
	if (differ > LISTED)
		fprintf(out, " and %zu more", differ - LISTED);
	if (fclose(out)) {
		free(text);
		return -ENOMEM;
	}
	*ret_text = text;
	*ret_differ = differ;
	return 0;
}

/* Either may be NULL: not there. */
static int add_change(const struct service *before, const struct service *after, struct feed_change **changes,
		      size_t *n)
{
	const struct service *named = before ? before : after;
	struct words was = { 0 }, becomes = { 0 };
	struct feed_change change = { .kind = "service" };
	size_t lost = 0, won = 0;
	bool differs;
	int code = collect(before, &was);

	if (!code)
		code = collect(after, &becomes);
	if (!code && before)
		code = describe(&was, &becomes, &change.was, &lost);
	if (!code && after)
		code = describe(&becomes, &was, &change.becomes, &won);
	if (!code && asprintf(&change.name, "%s/%s", named->space, named->name) < 0) {
		change.name = NULL;
		code = -ENOMEM;
	}
	differs = lost || won || !before || !after;
	if (!code && differs)
		code = vec_grow(changes, *n, sizeof(**changes));
	if (!code && differs) {
		(*changes)[(*n)++] = change;
	} else {
		free(change.name);
		free(change.was);
		free(change.becomes);
	}
	done(&was);
	done(&becomes);
	return code;
}

int feeddiff_services(const struct service *const *before, size_t n_before, const struct service *const *after,
		      size_t n_after, struct feed_change **ret_changes, size_t *ret_n)
{
	struct feed_change *changes = NULL;
	size_t i = 0, k = 0, n = 0;
	int code = 0;

	while (!code && (i < n_before || k < n_after)) {
		int order = i == n_before ? 1 : k == n_after ? -1 : strcmp(before[i]->space, after[k]->space);

		if (!order)
			order = strcmp(before[i]->name, after[k]->name);
		code = add_change(order <= 0 ? before[i] : NULL, order >= 0 ? after[k] : NULL, &changes, &n);
		i += order <= 0;
		k += order >= 0;
	}
	if (code) {
		feeddiff_free(changes, n);
		return code;
	}
	*ret_changes = changes;
	*ret_n = n;
	return 0;
}
