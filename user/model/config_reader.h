/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the files that read xmesh.yaml share: a table of keys for each map, values of the usual
 * kinds, and sentences that say where. Not for: anyone but config*.c.
 */
#ifndef XMESH_MODEL_CONFIG_READER_H
#define XMESH_MODEL_CONFIG_READER_H

#include "core/defs.h"
#include "core/doc.h"
#include "model/config.h"

/* The depth of the places named in sentences: "peers[3].feed.dir". */
#define CONFIG_WHERE_MAX 96
#define CONFIG_PATH_TEXT_MAX 1024
#define CONFIG_MAX_KEYS 24 /* of one map */

struct config_reader {
	struct config *config;
	struct config_cluster *cluster; /* that name, id, feed and mode are read into */
	struct config_source *source;   /* of it, that a transport is read into */
	struct config_etcd *etcd;       /* of the source, or of publish: */
	struct err *err;
	char where[CONFIG_WHERE_MAX];
};

struct config_key {
	const char *name;
	int (*read)(struct config_reader *r, const struct doc *value);
};

/* Put file, line and place in front of the sentence and return @code. @at may be NULL. */
int config_fail(struct config_reader *r, const struct doc *at, int code);
int config_no_memory(struct config_reader *r);

#define FAIL(r, at, ...)                                                                           \
	(err_set((r)->err, -EINVAL, __VA_ARGS__), config_fail(r, at, -EINVAL), -EINVAL)

/* Append to the place; what is returned is for config_leave(). */
size_t config_enter(struct config_reader *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void config_leave(struct config_reader *r, size_t len);

/* Keys are read in the order of @keys, whatever order they stand in. null is as good as absent. */
int config_read_map(struct config_reader *r, const struct doc *map, const struct config_key *keys,
		    size_t n_keys);
#define READ_MAP(r, map, keys)                                                                     \
	({                                                                                         \
		_Static_assert(ARRAY_SIZE(keys) <= CONFIG_MAX_KEYS, "a sentence lists them all");  \
		config_read_map(r, map, keys, ARRAY_SIZE(keys));                                   \
	})

int config_get_text(struct config_reader *r, const struct doc *value, const char **ret_text);
int config_get_number(struct config_reader *r, const struct doc *value, int64_t min, int64_t max,
		      int64_t *ret_n);
/* The index of the value in @words (NULL-terminated). */
int config_get_word(struct config_reader *r, const struct doc *value, const char *const *words,
		    unsigned int *ret_index);
/* Replace the malloc'ed text in *@field by a copy. */
int config_set_text(struct config_reader *r, const char *text, char **field);
/* Note for the log about what stands at this place. */
int config_warn(struct config_reader *r, const struct doc *value, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* A file or folder; relative ones are meant from the folder of the configuration. */
int config_get_path(struct config_reader *r, const struct doc *value, char **field);
/* Text that can stand in a line of a log and in config_format()'s output. */
bool config_is_printable(const char *text);

/* config_feed.c */
int config_read_feed(struct config_reader *r, const struct doc *value);
int config_read_publish(struct config_reader *r, const struct doc *value);
/* Whether what is published would be read by us again, or what others publish be swept away. */
int config_check_publish(struct config_reader *r);
void config_drop_sources(struct config_cluster *cluster);

/* config_etcd.c */
int config_read_etcd(struct config_reader *r, const struct doc *value);
void config_etcd_done(struct config_etcd *etcd);

/* config_host.c */
void config_drop_globs(struct config *config);
int config_read_node(struct config_reader *r, const struct doc *value);
int config_read_instance(struct config_reader *r, const struct doc *value);
int config_read_bpffs(struct config_reader *r, const struct doc *value);
int config_read_run_dir(struct config_reader *r, const struct doc *value);
int config_read_state_dir(struct config_reader *r, const struct doc *value);
int config_read_device(struct config_reader *r, const struct doc *value);
int config_read_underlay(struct config_reader *r, const struct doc *value);
int config_read_pods(struct config_reader *r, const struct doc *value);
int config_read_xdp(struct config_reader *r, const struct doc *value);
int config_read_socket_lb(struct config_reader *r, const struct doc *value);
int config_read_north_south(struct config_reader *r, const struct doc *value);
int config_read_tunnel(struct config_reader *r, const struct doc *value);
int config_read_stale_after(struct config_reader *r, const struct doc *value);
int config_read_remove_after(struct config_reader *r, const struct doc *value);
int config_read_max_shrink(struct config_reader *r, const struct doc *value);
int config_read_metrics(struct config_reader *r, const struct doc *value);

#endif
