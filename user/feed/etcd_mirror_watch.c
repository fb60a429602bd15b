/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The watches of all listed prefixes, on one stream. */
#include "feed/etcd_mirror_parts.h"

#include <errno.h>
#include <string.h>

#include "core/defs.h"

static void on_created(void *user, int64_t id, const struct etcd_header *header)
{
	struct etcd_mirror *m = user;
	struct mirror_prefix *p = mirror_find(m, id);

	mirror_hear(m);
	if (mirror_is_idle(m) || !p || !p->watching || mirror_is_other_store(m, header))
		return;
	/* A store that has not come so far would be silent until it has, and then tell other things. */
	if (header->revision && header->revision < p->next - 1) {
		mirror_list_anew(m);
		return;
	}
	mirror_hear_well(m);
	mirror_tell_alive(m);
}

static void on_events(void *user, int64_t id, const struct etcd_header *header,
		      const struct etcd_kv *events, size_t n, bool last)
{
	struct etcd_mirror *m = user;
	struct mirror_prefix *p = mirror_find(m, id);
	uint64_t seen_ns = uv_hrtime();
	bool enough = false;

	mirror_hear(m);
	if (mirror_is_idle(m) || mirror_is_other_store(m, header))
		return;
	if (id == -1) {
		/*
		 * An answer to ASK_MS. Servers before 3.4.25 and 3.5.8 give it also while events of this
		 * revision are on their way, so it says that they live, and advances nothing.
		 */
		mirror_hear_well(m);
		mirror_tell_alive(m);
		return;
	}
	for (size_t i = 0; i < n && p && p->watching && !m->closing; i++) {
		size_t index = mirror_index(m, p);

		/* Others of this revision may be in the next part. */
		p->next = MAX(p->next, events[i].mod_revision);
		p->told = true;
		if (events[i].deleted)
			m->callbacks.erase(m->callbacks.user, index, &events[i], seen_ns);
		else if (!m->callbacks.put(m->callbacks.user, index, &events[i], seen_ns))
			enough = true;
		/* The callee may have added or dropped prefixes. */
		p = mirror_find(m, id);
	}
	if (!p || !p->watching || m->closing)
		return;
	if (enough) {
		/* A watch cannot be slowed down: it is ended, and goes on from here when there is room. */
		m->paused = m->reopen = true;
		mirror_kick(m);
	}
	if (!last)
		return;
	p->next = MAX(p->next, header->revision + 1);
	m->revision = MAX(m->revision, header->revision);
	mirror_hear_well(m);
	if (!p->told) {
		mirror_tell_alive(m);
		return;
	}
	p->told = false;
	mirror_tell_current(m);
}

static void on_canceled(void *user, int64_t id, int64_t compacted, const char *reason)
{
	struct etcd_mirror *m = user;
	struct mirror_prefix *p = mirror_find(m, id);
	struct err err;

	mirror_hear(m);
	/* One that is refused is known by no number, and only those that begin are refused. */
	for (size_t i = 0; id == -1 && i < m->n && !p; i++)
		if (m->prefixes[i].watching)
			p = &m->prefixes[i];
	if (mirror_is_idle(m) || !p || !p->watching)
		return;
	if (compacted) {
		p->listed = p->watching = false;
		mirror_kick(m);
	} else if (strstr(reason, "permission denied")) {
		mirror_fail_denied(m, p);
	} else {
		err_set(&err, -EAGAIN, "%s ended the watch of %s: %s", m->in_use, p->key, reason);
		mirror_fail(m, -EAGAIN, &err);
	}
}

void mirror_forget_watches(struct etcd_mirror *m)
{
	for (size_t i = 0; i < m->n; i++)
		m->prefixes[i].watching = m->prefixes[i].told = false;
}

static void on_stream_done(void *user, int code, const struct etcd_header *header, const struct err *err)
{
	struct etcd_mirror *m = user;
	struct mirror_prefix *p = m->n ? m->prefixes : NULL;

	m->stream = NULL;
	mirror_forget_watches(m);
	if (mirror_is_idle(m))
		return;
	if (code == -EACCES && p)
		mirror_fail_denied(m, p);
	else
		mirror_fail(m, code, err);
}

int mirror_start_watches(struct etcd_mirror *m)
{
	const struct etcd_watch_setup setup = { .created = on_created, .events = on_events,
						.canceled = on_canceled, .done = on_stream_done, .user = m };
	int code = 0;

	for (size_t i = 0; i < m->n && !code; i++) {
		struct mirror_prefix *p = &m->prefixes[i];

		if (!p->listed || p->watching)
			continue;
		if (!m->stream)
			code = etcd_watch_open(m->etcd, &setup, &m->stream);
		if (!code)
			code = etcd_watch_add(m->stream, p->id, (struct etcd_bytes){ p->key, p->len },
					      (struct etcd_bytes){ p->end, p->len }, p->next);
		p->watching = !code;
	}
	return code;
}
