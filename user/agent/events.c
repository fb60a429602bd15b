/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A ring of what has happened of late. */
#include "agent/events.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "core/defs.h"

static const char *const kind_texts[] = {
#define TEXT(name, text) text,
	EVENTS_KINDS(TEXT)
#undef TEXT
};

static uint64_t wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void events_add(struct events *events, enum events_kind kind, const char *cluster, const char *fmt, ...)
{
	struct events_item *item = &events->v[events->next % EVENTS_MAX];
	va_list args;

	item->time_ms = wall_ms();
	item->kind = kind;
	snprintf(item->cluster, sizeof(item->cluster), "%s", cluster ? cluster : "");
	va_start(args, fmt);
	vsnprintf(item->text, sizeof(item->text), fmt, args);
	va_end(args);
	if (!events->next++)
		events->start_ms = item->time_ms;
}

static json_object *item_json(const struct events_item *item, uint64_t seq)
{
	json_object *o = json_object_new_object();

	json_object_object_add(o, "seq", json_object_new_uint64(seq));
	json_object_object_add(o, "time_ms", json_object_new_uint64(item->time_ms));
	json_object_object_add(o, "kind", json_object_new_string(kind_texts[item->kind]));
	json_object_object_add(o, "cluster", item->cluster[0] ? json_object_new_string(item->cluster) : NULL);
	json_object_object_add(o, "text", json_object_new_string(item->text));
	return o;
}

json_object *events_json(const struct events *events, uint64_t since)
{
	const uint64_t oldest = events->next > EVENTS_MAX ? events->next - EVENTS_MAX : 0;
	json_object *o = json_object_new_object(), *list = json_object_new_array();
	uint64_t from = MAX(since, oldest);

	json_object_object_add(o, "start_ms", json_object_new_uint64(events->start_ms));
	json_object_object_add(o, "last", json_object_new_uint64(events->next));
	json_object_object_add(o, "lost", json_object_new_uint64(since < oldest ? oldest - since : 0));
	for (uint64_t i = from; i < events->next; i++)
		json_object_array_add(list, item_json(&events->v[i % EVENTS_MAX], i + 1));
	json_object_object_add(o, "events", list);
	return o;
}
