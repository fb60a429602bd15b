/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What lies in the etcd, and who publishes there. Not for: what is done about it (publisher.c). */
#include "agent/publisher_parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/log.h"

#define LIST_KEYS 10000

struct etcd_bytes publisher_key(const struct publisher *p, const char *rest, char buf[PUBLISHER_KEY_MAX])
{
	int len = snprintf(buf, PUBLISHER_KEY_MAX, "%s/%s", p->config->prefix, rest);

	return (struct etcd_bytes){ buf, (size_t)len };
}

static bool on_key(void *user, const struct etcd_kv *kv)
{
	struct publisher *p = user;
	size_t prefix = strlen(p->config->prefix) + 1;
	const char *key = kv->key.data;

	if (kv->key.len <= prefix)
		return true;
	if (kv->key.len >= PUBLISHER_KEY_MAX) {
		p->bad = "a key of over 1023 bytes lies there, which is no object's: remove it";
		return true;
	}
	memcpy(p->last, key, kv->key.len);
	p->last[kv->key.len] = '\0';
	p->last_len = kv->key.len + 1;
	if (!strcmp(p->last + prefix, ".publisher"))
		p->publisher_lease = kv->lease ?: -1;
	else if (!strcmp(p->last + prefix, ".complete"))
		p->complete_lease = kv->lease ?: -1;
	else if (publish_list_found(p->present, key + prefix, kv->key.len - prefix,
				    kv->lease == p->lease))
		p->bad = "out of memory";
	return true;
}

static void on_page(void *user, const struct etcd_header *header, bool more, int64_t count)
{
	struct publisher *p = user;

	p->more = more;
	if (!p->list_revision)
		p->list_revision = header->revision;
}

/*
 * Who publishes, after a list or a look. What is not there although we put it was taken away by hand, or
 * by the end of a lease.
 */
static void judge(struct publisher *p)
{
	if (p->publisher_lease && p->publisher_lease != p->lease) {
		publisher_stand_by(p);
	} else if (p->standby) {
		log_info("nobody publishes to %s any more: taking over", p->config->prefix);
		p->standby = false;
		publisher_doubt(p);
	} else if (!p->publisher_lease || (p->complete && p->complete_lease != p->lease)) {
		log_warn("what was published to %s is gone: publishing everything again",
			 p->config->prefix);
		publisher_doubt(p);
		p->keep_due = true;
	}
}

static void on_looked(void *user, int code, const struct etcd_header *header, const struct err *err)
{
	struct publisher *p = user;

	if (!publisher_answered(p, code, header, err))
		return;
	p->look_due = false;
	if (p->standby || p->complete)
		backoff_reset(&p->backoff);
	judge(p);
}

/* The keys that begin with a dot. */
void publisher_look(struct publisher *p)
{
	char from[PUBLISHER_KEY_MAX], end[PUBLISHER_KEY_MAX];
	struct etcd_range range = { .key = publisher_key(p, ".", from), .end = publisher_key(p, "/", end),
				    .keys_only = true, .kv = on_key, .done = on_looked, .user = p };

	p->publisher_lease = p->complete_lease = 0;
	publisher_begun(p, etcd_range(p->etcd, &range, &p->call));
}

static void list_page(struct publisher *p);

static void on_listed(void *user, int code, const struct etcd_header *header, const struct err *err)
{
	struct publisher *p = user;
	struct err bad;

	if (!publisher_answered(p, code, header, err))
		return;
	if (p->bad) {
		err_set(&bad, -EINVAL, "%s", p->bad);
		publisher_fail(p, -EINVAL, &bad);
		return;
	}
	if (p->more) {
		list_page(p);
		return;
	}
	publish_list_end(p->present);
	p->listed = true;
	p->touched = false;
	judge(p);
}

static void list_page(struct publisher *p)
{
	char from[PUBLISHER_KEY_MAX], end[PUBLISHER_KEY_MAX];
	struct etcd_range range = { .key = publisher_key(p, "", from), .end = publisher_key(p, "", end),
				    .limit = LIST_KEYS, .revision = p->list_revision,
				    .keys_only = true, .kv = on_key, .end_of_page = on_page,
				    .done = on_listed, .user = p };

	/* All behind "PREFIX/": '0' follows '/'. */
	end[range.end.len - 1]++;
	if (p->last_len)
		range.key = (struct etcd_bytes){ p->last, p->last_len };
	publisher_begun(p, etcd_range(p->etcd, &range, &p->call));
}

void publisher_list(struct publisher *p)
{
	publisher_drop_plan(p);
	publish_list_begin(p->present);
	p->last_len = 0;
	p->list_revision = 0;
	p->publisher_lease = p->complete_lease = 0;
	p->more = false;
	p->bad = NULL;
	list_page(p);
}
