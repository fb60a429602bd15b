/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* inotify, as a sorted table of (watch, name). Not for: reading what changed. */
#include "feed/watches.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>

#include "core/defs.h"

/*
 * IN_CREATE is for links and folders, which appear whole; IN_MODIFY only tells that a file is not
 * finished. One mask for all, because a folder has one watch whatever it is watched for.
 */
#define MASK                                                                                       \
	(IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE | IN_MODIFY |        \
	 IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

#define MAX_LINKS 40 /* as the kernel */

struct entry {
	int wd;
	char *name; /* NULL = any */
};

struct table {
	struct entry *entries;
	size_t n, room;
};

struct watches {
	int fd;
	struct table now, next;
	bool full; /* of the set in the making */
};

static void table_clear(struct table *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->entries[i].name);
	free(t->entries);
	*t = (struct table){};
}

int watches_new(struct watches **ret_watches)
{
	struct watches *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->fd < 0) {
		int rc = -errno;

		free(w);
		return rc;
	}
	*ret_watches = w;
	return 0;
}

void watches_free(struct watches *watches)
{
	if (!watches)
		return;
	close(watches->fd);
	table_clear(&watches->now);
	table_clear(&watches->next);
	free(watches);
}

int watches_fd(const struct watches *watches)
{
	return watches->fd;
}

void watches_begin(struct watches *watches)
{
	if (!watches)
		return;
	table_clear(&watches->next);
	watches->full = false;
}

static void add(struct watches *w, const char *folder, const char *name)
{
	struct table *t = &w->next;
	struct entry *more;
	char *copy = NULL;
	int wd;

	wd = inotify_add_watch(w->fd, folder, MASK);
	if (wd < 0) {
		/* What is not there is watched for in the folder before it. */
		if (errno != ENOENT && errno != ENOTDIR)
			w->full = true;
		return;
	}
	if (t->n == t->room) {
		more = reallocarray(t->entries, t->room ? 2 * t->room : 16, sizeof(*more));
		if (!more) {
			w->full = true;
			return;
		}
		t->entries = more;
		t->room = t->room ? 2 * t->room : 16;
	}
	if (name) {
		copy = strdup(name);
		if (!copy) {
			w->full = true;
			return;
		}
	}
	t->entries[t->n++] = (struct entry){ .wd = wd, .name = copy };
}

void watches_folder(struct watches *watches, int fd)
{
	char path[64];

	if (!watches)
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	add(watches, path, NULL);
}

/* Cut the last component off; "/" stays. */
static void go_up(char *folder)
{
	char *slash = strrchr(folder, '/');

	if (slash == folder)
		slash++;
	if (slash)
		*slash = '\0';
}

void watches_way(struct watches *watches, const char *base, const char *path)
{
	char at[PATH_MAX], rest[PATH_MAX], next[PATH_MAX], link[PATH_MAX];
	char *todo = rest, *name;
	int links = 0;
	ssize_t len;

	if (!watches || strlen(base) >= sizeof(at) || strlen(path) >= sizeof(rest))
		return;
	strcpy(at, *path == '/' ? "/" : base);
	strcpy(rest, path);
	while ((name = strsep(&todo, "/"))) {
		if (!*name || !strcmp(name, "."))
			continue;
		if (!strcmp(name, "..")) {
			go_up(at);
			continue;
		}
		add(watches, at, name);
		if ((size_t)snprintf(next, sizeof(next), "%s/%s", strcmp(at, "/") ? at : "",
				     name) >= sizeof(next))
			return;
		len = readlink(next, link, sizeof(link) - 1);
		if (len < 0) {
			if (errno == ENOENT || errno == ENOTDIR)
				return;
			strcpy(at, next);
			continue;
		}
		link[len] = '\0';
		if (++links > MAX_LINKS ||
		    (size_t)snprintf(next, sizeof(next), "%s/%s", link, todo ? todo : "") >=
			    sizeof(next))
			return;
		if (*link == '/')
			strcpy(at, "/");
		strcpy(rest, next);
		todo = rest;
	}
}

static int order(const void *va, const void *vb)
{
	const struct entry *a = va, *b = vb;

	return (a->wd > b->wd) - (a->wd < b->wd);
}

/* The first entry of @wd; the others follow it. */
static const struct entry *find(const struct table *t, int wd)
{
	size_t low = 0, high = t->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (t->entries[mid].wd < wd)
			low = mid + 1;
		else
			high = mid;
	}
	return low < t->n && t->entries[low].wd == wd ? &t->entries[low] : NULL;
}

bool watches_end(struct watches *watches)
{
	struct table *now = &watches->now, *next = &watches->next;

	qsort(next->entries, next->n, sizeof(*next->entries), order);
	for (size_t i = 0; i < now->n; i++) {
		int wd = now->entries[i].wd;

		/* The kernel may have taken it away itself, with its folder: no matter. */
		if ((!i || now->entries[i - 1].wd != wd) && !find(next, wd))
			inotify_rm_watch(watches->fd, wd);
	}
	table_clear(now);
	*now = *next;
	*next = (struct table){};
	return !watches->full;
}

static bool is_wanted(const struct watches *w, const struct inotify_event *e)
{
	const struct entry *entry = find(&w->now, e->wd), *end = w->now.entries + w->now.n;

	for (; entry && entry < end && entry->wd == e->wd; entry++) {
		/* An event without a name is the folder's own. */
		if (entry->name ? e->len && !strcmp(entry->name, e->name)
				: !e->len || e->name[0] != '.')
			return true;
	}
	return false;
}

enum watches_seen watches_drain(struct watches *watches)
{
	char buf[16 * 1024] __attribute__((aligned(__alignof__(struct inotify_event))));
	enum watches_seen seen = WATCHES_NOTHING;
	ssize_t len;

	while ((len = read(watches->fd, buf, sizeof(buf))) > 0) {
		for (char *p = buf; p < buf + len;) {
			const struct inotify_event *e = (const struct inotify_event *)p;

			p += sizeof(*e) + e->len;
			if (e->mask & IN_Q_OVERFLOW)
				seen = WATCHES_CHANGED;
			else if (e->mask & IN_IGNORED || !is_wanted(watches, e))
				continue;
			else if (!(e->mask & IN_MODIFY))
				seen = WATCHES_CHANGED;
			else if (seen == WATCHES_NOTHING)
				seen = WATCHES_GROWING;
		}
	}
	return seen;
}
