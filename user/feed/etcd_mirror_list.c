/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A list: pages at the revision of the first one, as large as their bytes allow. */
#include "feed/etcd_mirror_parts.h"

#include <errno.h>
#include <string.h>

#include "core/defs.h"

#define FIRST_KEYS 1000

static bool keep_key(struct etcd_mirror *m, struct etcd_bytes key)
{
	if (key.len + 1 > m->last_size) {
		char *grown = realloc(m->last, key.len + 64);

		if (!grown)
			return false;
		m->last = grown;
		m->last_size = key.len + 64;
	}
	memcpy(m->last, key.data, key.len);
	m->last[key.len] = '\0';
	m->last_len = key.len + 1;
	return true;
}

static bool on_kv(void *user, const struct etcd_kv *kv)
{
	struct etcd_mirror *m = user;
	struct mirror_prefix *p = mirror_find(m, m->listing);

	mirror_hear(m);
	if (mirror_is_idle(m) || !p)
		return true;
	if (!keep_key(m, kv->key)) {
		mirror_fail(m, -ENOMEM, &(struct err){ .text = "out of memory" });
		return true;
	}
	m->page_keys++;
	m->page_bytes += kv->key.len + kv->value.len;
	m->paused = !m->callbacks.put(m->callbacks.user, mirror_index(m, p), kv, 0);
	return !m->paused;
}

static void on_page_end(void *user, const struct etcd_header *header, bool more, int64_t count)
{
	struct etcd_mirror *m = user;

	mirror_hear(m);
	if (mirror_is_idle(m) || mirror_is_other_store(m, header))
		return;
	m->more = more;
	if (!m->at)
		m->at = header->revision;
	/* The same store, restored from a copy: what was told of later revisions has never been. */
	if (header->revision < m->floor)
		mirror_list_anew(m);
}

/* The next page has about ETCD_PAGE_BYTES, as far as this one tells. */
static int64_t next_limit(const struct etcd_mirror *m)
{
	size_t each = m->page_bytes / m->page_keys + 1;

	return (int64_t)MAX(MIN(ETCD_PAGE_BYTES / each, (size_t)ETCD_PAGE_KEYS), (size_t)1);
}

static void end_list(struct etcd_mirror *m, struct mirror_prefix *p)
{
	p->listed = true;
	p->next = m->at + 1;
	m->listing = 0;
	m->revision = MAX(m->revision, m->at);
	m->callbacks.listed(m->callbacks.user, mirror_index(m, p));
	mirror_tell_current(m);
	mirror_kick(m);
}

static void on_page_done(void *user, int code, const struct etcd_header *header, const struct err *err)
{
	struct etcd_mirror *m = user;
	struct mirror_prefix *p = mirror_find(m, m->listing);
	struct err own;

	m->page = NULL;
	mirror_hear(m);
	if (mirror_is_idle(m))
		return;
	if (!p) {
		m->listing = 0;
		mirror_kick(m);
	} else if (code == -EACCES) {
		mirror_fail_denied(m, p);
	} else if (code == -ESTALE) {
		err_set(&own, code, "%s: the history was compacted while %s was listed; it is listed again",
			m->in_use, p->key);
		mirror_fail(m, code, &own);
	} else if (code) {
		mirror_fail(m, code, err);
	} else if (!m->at || (m->more && !m->page_keys)) {
		err_set(&own, -EPROTO, "%s: a list of %s that does not end", m->in_use, p->key);
		mirror_fail(m, -EPROTO, &own);
	} else if (m->more) {
		m->limit = next_limit(m);
		mirror_kick(m);
	} else {
		end_list(m, p);
	}
}

int mirror_start_page(struct etcd_mirror *m, const struct mirror_prefix *p)
{
	struct etcd_range range = {
		.key = { p->key, p->len }, .end = { p->end, p->len }, .limit = m->limit, .revision = m->at,
		.kv = on_kv, .end_of_page = on_page_end, .done = on_page_done, .user = m,
	};

	if (m->last_len)
		range.key = (struct etcd_bytes){ m->last, m->last_len };
	m->floor = m->revision;
	m->page_keys = m->page_bytes = 0;
	m->more = false;
	return etcd_range(m->etcd, &range, &m->page);
}

int mirror_start_list(struct etcd_mirror *m, const struct mirror_prefix *p)
{
	m->listing = p->id;
	m->at = 0;
	m->last_len = 0;
	m->limit = FIRST_KEYS;
	m->callbacks.list(m->callbacks.user, mirror_index(m, p));
	/* The callee may have dropped it. */
	p = mirror_find(m, m->listing);
	return p && !m->closing ? mirror_start_page(m, p) : 0;
}
