/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Canaries, lists and watches of Cilium's mesh store into an intake. Not for: whose store it is, and
 * whether it lives (cilium.c).
 */
#include "feed/cilium_values.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/addr.h"
#include "core/defs.h"
#include "feed/cilium_decode.h"
#include "feed/cilium_extra.h"
#include "feed/etcd_mirror.h"
#include "feed/intake.h"

#define NO_INDEX SIZE_MAX

struct kind_state {
	size_t index;  /* at the mirror, NO_INDEX = not added */
	bool canary, listed;
	bool open;     /* a list of it is on its way at the intake */
};

struct cilium_values {
	uv_loop_t *loop;
	struct feed_callbacks callbacks;
	const struct cilium_reader *reader;
	struct etcd_mirror *mirror;
	struct intake *intake;
	struct kind_state kinds[CILIUM_KINDS];
	int kind_at[CILIUM_KINDS + 1]; /* by index; -1 = the canaries */
	size_t n_indices;
	struct cilium_cover cover;
};

static void tell_error(struct cilium_values *v, const struct err *err)
{
	v->callbacks.error(v->callbacks.user, err);
}

static void tell_unchanged(struct cilium_values *v)
{
	v->callbacks.unchanged(v->callbacks.user);
}

/*
 * A worker may still decode when a feed is closed, so what it reads is never freed: one for each peer and
 * what that says of itself, which is hardly ever another one.
 */
static const struct cilium_reader *reader_get(const char *cluster, const struct cilium_peer *peer)
{
	static struct known {
		struct known *next;
		struct cilium_reader reader;
	} *first;
	struct known *k;

	for (k = first; k; k = k->next)
		if (!strcmp(k->reader.cluster, cluster) &&
		    !memcmp(&k->reader.peer, peer, sizeof(*peer)))
			return &k->reader;
	k = calloc(1, sizeof(*k));
	if (!k)
		return NULL;
	snprintf(k->reader.cluster, sizeof(k->reader.cluster), "%s", cluster);
	memcpy(&k->reader.peer, peer, sizeof(*peer));
	k->next = first;
	first = k;
	return &k->reader;
}

/* ---- which prefixes are read ---------------------------------------------------------------- */

static void abort_kind(struct cilium_values *v, enum cilium_kind kind)
{
	char prefix[CILIUM_MAX_KEY];

	if (v->kinds[kind].open)
		intake_list_abort(v->intake,
				  cilium_prefix(&v->reader->peer, v->reader->cluster, kind, prefix));
	v->kinds[kind].open = false;
}

/* No prefix is believed until its canary is seen (again); what the intake holds stays. */
static void forget_kinds(struct cilium_values *v)
{
	for (int kind = 0; kind < CILIUM_KINDS; kind++) {
		abort_kind(v, kind);
		v->kinds[kind] = (struct kind_state){ .index = NO_INDEX };
	}
}

static bool add(struct cilium_values *v, const char *prefix, int kind)
{
	struct err err;
	size_t index;

	if (etcd_mirror_add(v->mirror, prefix, &index)) {
		err_set(&err, -ENOMEM, "out of memory");
		tell_error(v, &err);
		return false;
	}
	v->kind_at[index] = kind;
	v->n_indices = index + 1;
	if (kind >= 0)
		v->kinds[kind].index = index;
	return true;
}

/* Addresses last of all: the nodes tell which of them matter. */
static bool may_begin(const struct cilium_values *v, enum cilium_kind kind)
{
	if (kind == CILIUM_IPS && !v->kinds[CILIUM_NODES].listed)
		return false;
	return v->kinds[kind].canary || !v->reader->peer.canaries;
}

static void add_kinds(struct cilium_values *v)
{
	char prefix[CILIUM_MAX_KEY];

	for (int kind = 0; kind < CILIUM_KINDS; kind++) {
		if (v->kinds[kind].index != NO_INDEX || !cilium_has(&v->reader->peer, kind) ||
		    !may_begin(v, kind))
			continue;
		if (!add(v, cilium_prefix(&v->reader->peer, v->reader->cluster, kind, prefix), kind))
			return;
	}
}

static bool all_listed(const struct cilium_values *v)
{
	for (int kind = 0; kind < CILIUM_KINDS; kind++)
		if (cilium_has(&v->reader->peer, kind) && !v->kinds[kind].listed)
			return false;
	return true;
}

static void tell_waiting(struct cilium_values *v)
{
	char prefix[CILIUM_MAX_KEY], names[CILIUM_KINDS * CILIUM_MAX_KEY] = "";
	struct err err;

	for (int kind = 0; kind < CILIUM_KINDS; kind++) {
		size_t len = strlen(names);

		if (cilium_has(&v->reader->peer, kind) && !v->kinds[kind].canary)
			snprintf(names + len, sizeof(names) - len, "%s%s", len ? ", " : "",
				 cilium_prefix(&v->reader->peer, v->reader->cluster, kind, prefix));
	}
	if (!*names)
		return;
	err_set(&err, -EAGAIN,
		"cluster %s has not filled its store yet, as its canaries tell: waiting for %s; what was "
		"known stays", v->reader->cluster, names);
	tell_error(v, &err);
}

/* ---- from the mirror ------------------------------------------------------------------------ */

static void on_list(void *user, size_t index)
{
	struct cilium_values *v = user;
	int kind = v->kind_at[index];
	char prefix[CILIUM_MAX_KEY];

	if (kind < 0) {
		/* The first list, or another store, or old history is gone: canaries anew. */
		forget_kinds(v);
		if (v->n_indices > 1)
			etcd_mirror_drop(v->mirror, 1);
		v->n_indices = 1;
		return;
	}
	abort_kind(v, kind);
	if (kind == CILIUM_NODES)
		cilium_cover_done(&v->cover);
	v->kinds[kind].listed = false;
	v->kinds[kind].open = true;
	intake_list_begin(v->intake, cilium_prefix(&v->reader->peer, v->reader->cluster, kind, prefix));
}

static int cover(void *user, const struct xm_prefix *prefix)
{
	return cilium_cover_add(user, prefix);
}

/* Is it the address of a pod that lies in a node's prefix? */
static bool is_covered(const struct cilium_values *v, const struct etcd_kv *kv)
{
	char text[ADDR_TEXT_MAX], prefix[CILIUM_MAX_KEY];
	size_t skip = strlen(cilium_prefix(&v->reader->peer, v->reader->cluster, CILIUM_IPS, prefix));
	struct xm_addr addr;

	if (kv->key.len <= skip || kv->key.len - skip >= sizeof(text))
		return false;
	memcpy(text, (const char *)kv->key.data + skip, kv->key.len - skip);
	text[kv->key.len - skip] = '\0';
	return !addr_parse(text, &addr, NULL) && cilium_cover_has(&v->cover, &addr);
}

static bool on_put(void *user, size_t index, const struct etcd_kv *kv, uint64_t seen_ns)
{
	struct cilium_values *v = user;
	int kind = v->kind_at[index];

	if (kind < 0) {
		kind = cilium_canary_kind(&v->reader->peer, v->reader->cluster, kv->key.data, kv->key.len);
		if (kind >= 0 && !v->kinds[kind].canary) {
			v->kinds[kind].canary = true;
			add_kinds(v);
		}
		return true;
	}
	/* Of a value that cannot be read, the intake will tell. */
	if (kind == CILIUM_NODES)
		cilium_node_prefixes(kv->value.data, kv->value.len, cover, &v->cover, NULL);
	if (kind == CILIUM_IPS && is_covered(v, kv))
		return true;
	return intake_put(v->intake, kv->key.data, kv->key.len, kv->value.data, kv->value.len, seen_ns);
}

static void on_erase(void *user, size_t index, const struct etcd_kv *kv, uint64_t seen_ns)
{
	struct cilium_values *v = user;

	/* Canaries lie under a lease: that one ends says nothing of what was filled. */
	if (v->kind_at[index] < 0 || (v->kind_at[index] == CILIUM_IPS && is_covered(v, kv)))
		return;
	intake_delete(v->intake, kv->key.data, kv->key.len, seen_ns);
}

static void on_listed(void *user, size_t index)
{
	struct cilium_values *v = user;
	int kind = v->kind_at[index];
	char prefix[CILIUM_MAX_KEY];

	if (kind < 0)
		return;
	v->kinds[kind].listed = true;
	v->kinds[kind].open = false;
	intake_list_end(v->intake, cilium_prefix(&v->reader->peer, v->reader->cluster, kind, prefix));
	if (kind == CILIUM_NODES)
		add_kinds(v);
}

static void on_aborted(void *user, size_t index)
{
	struct cilium_values *v = user;

	if (v->kind_at[index] >= 0)
		abort_kind(v, v->kind_at[index]);
}

static void on_current(void *user, int64_t revision)
{
	struct cilium_values *v = user;
	char text[32];

	if (!all_listed(v)) {
		tell_waiting(v);
		return;
	}
	snprintf(text, sizeof(text), "rev:%jd", (intmax_t)revision);
	intake_complete(v->intake, text);
}

static void on_alive(void *user)
{
	struct cilium_values *v = user;

	if (all_listed(v))
		tell_unchanged(v);
}

static void on_mirror_error(void *user, const struct err *err)
{
	tell_error(user, err);
}

/* ---- from the intake ------------------------------------------------------------------------ */

static void on_snapshot(void *user, struct snapshot *snapshot)
{
	struct cilium_values *v = user;
	struct err err;
	int rc = cilium_extra_merge(snapshot);

	if (!rc && snapshot->n_nodes) {
		v->callbacks.snapshot(v->callbacks.user, snapshot);
		return;
	}
	if (rc)
		err_set(&err, rc, "out of memory");
	else if (snapshot->counts.bad)
		err_set(&err, -EINVAL, "cluster %s: no node can be used: %s", v->reader->cluster,
			snapshot->n_warnings ? snapshot->warnings[0] : "all values are bad");
	else
		err_set(&err, -ENOENT, "cluster %s has no nodes in its store (%s)", v->reader->cluster,
			snapshot->revision);
	snapshot_free(snapshot);
	tell_error(v, &err);
}

static void on_unchanged(void *user)
{
	tell_unchanged(user);
}

static void on_ready(void *user)
{
	struct cilium_values *v = user;

	if (v->mirror)
		etcd_mirror_resume(v->mirror);
}

/* ---- begin and end -------------------------------------------------------------------------- */

void cilium_values_stop(struct cilium_values *v)
{
	if (!v->mirror)
		return;
	forget_kinds(v);
	etcd_mirror_close(take(v->mirror));
}

static int start(struct cilium_values *v, const struct config_etcd *config, struct err *err)
{
	const struct etcd_mirror_callbacks callbacks = {
		.list = on_list, .put = on_put, .erase = on_erase, .listed = on_listed,
		.aborted = on_aborted, .current = on_current, .alive = on_alive,
		.error = on_mirror_error, .user = v,
	};
	char prefix[CILIUM_MAX_KEY];
	int rc = etcd_mirror_new(v->loop, config, &callbacks, &v->mirror, err);

	if (rc)
		return rc;
	for (int kind = 0; kind < CILIUM_KINDS; kind++)
		v->kinds[kind] = (struct kind_state){ .index = NO_INDEX };
	if (v->reader->peer.canaries)
		add(v, cilium_canaries(v->reader->cluster, prefix), -1);
	else
		add_kinds(v);
	return 0;
}

int cilium_values_use(struct cilium_values *v, const struct config_etcd *config, const char *cluster,
		      const struct cilium_peer *peer, struct err *err)
{
	const struct cilium_reader *reader = reader_get(cluster, peer);
	struct intake_setup setup = {
		.loop = v->loop, .decode = cilium_decode, .decode_user = (void *)reader,
		.ready = on_ready, .user = v,
		.callbacks = { .snapshot = on_snapshot, .unchanged = on_unchanged, .user = v },
	};
	int rc;

	if (!reader)
		return err_set(err, -ENOMEM, "out of memory");
	if (v->reader != reader) {
		cilium_values_stop(v);
		if (v->intake)
			intake_close(take(v->intake));
		cilium_cover_done(&v->cover);
	}
	v->reader = reader;
	if (!v->intake) {
		rc = intake_new(&setup, &v->intake);
		if (rc)
			return err_set(err, rc, "out of memory");
	}
	return v->mirror ? 0 : start(v, config, err);
}

void cilium_values_poke(struct cilium_values *v)
{
	if (v->mirror)
		etcd_mirror_poke(v->mirror);
}

int cilium_values_new(uv_loop_t *loop, const struct feed_callbacks *callbacks,
		      struct cilium_values **ret_values)
{
	struct cilium_values *v = calloc(1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	v->loop = loop;
	v->callbacks = *callbacks;
	*ret_values = v;
	return 0;
}

void cilium_values_close(struct cilium_values *v)
{
	if (!v)
		return;
	cilium_values_stop(v);
	if (v->intake)
		intake_close(v->intake);
	cilium_cover_done(&v->cover);
	free(v);
}
