/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* map list, map dump, map get: the pinned maps, decoded or as bytes. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/mapview.h"
#include "core/defs.h"
#include "core/text.h"
#include "plane/actual.h"

enum cli_exit cmd_map_list(struct cli *cli)
{
	static const struct emit_column columns[] = {
		{ "name", "MAP", false },        { "id", "ID", true },          { "type", "TYPE", false },
		{ "key_size", "KEY", true },     { "value_size", "VALUE", true }, { "entries", "ENTRIES", true },
		{ "capacity", "CAPACITY", true }, { "what", "WHAT", false },
	};
	auto_config struct config *config = NULL;
	auto_plane struct plane plane = CLI_PLANE_NONE;
	auto_emit struct emit *emit = NULL;
	enum cli_exit code = cli_open(cli, &config, &plane);

	if (code)
		return code;
	emit = cli_emit(cli);
	emit_table(emit, "maps", NULL, columns, ARRAY_SIZE(columns), NULL);
	for (int i = 0; i < PLANE_MAP_COUNT; i++) {
		struct map_info info;
		struct err err = { 0 };

		if (actual_map_info(&plane, i, &info, &err))
			return cli_fail(CLI_FAILED, "%s", err.text);
		emit_row(emit);
		emit_cell_text(emit, info.name);
		emit_cell_number(emit, info.id);
		emit_cell_text(emit, info.type_name);
		emit_cell_number(emit, info.key_size);
		emit_cell_number(emit, info.value_size);
		emit_cell_number(emit, info.entries);
		emit_cell_number(emit, info.max_entries);
		emit_cell_text(emit, info.text);
	}
	emit_table_end(emit);
	return CLI_DONE;
}

static enum cli_exit find_map(const char *name, enum plane_map *ret_map)
{
	const char *names[PLANE_MAP_COUNT + 1] = { NULL }, *near;

	for (int i = 0; i < PLANE_MAP_COUNT; i++) {
		names[i] = plane_map_names[i];
		if (strcmp(name, names[i]))
			continue;
		*ret_map = i;
		return CLI_DONE;
	}
	near = text_nearest(name, names);
	return cli_fail(CLI_NONE, "there is no map %s%s%s%s", name, near ? "; did you mean " : "",
			near ? near : ", see xmesh map list", near ? "?" : "");
}

static char *hex(const void *data, size_t size)
{
	const unsigned char *bytes = data;
	char *text = malloc(2 * size + 1);

	for (size_t i = 0; text && i < size; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	return text;
}

static bool is_zero(const char *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (data[i])
			return false;
	return true;
}

static int emit_raw(int fd, struct emit *emit, struct err *err)
{
	static const struct emit_column columns[] = { { "key", "KEY", false }, { "value", "VALUE", false } };
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	auto_free char *key = NULL, *value = NULL;
	bool array, first = true;
	size_t size;

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return err_set(err, -errno, "the map cannot be read: %s", strerror(errno));
	if (info.type == BPF_MAP_TYPE_RINGBUF)
		return err_set(err, -EINVAL, "a ring buffer has no keys and values: leave out --raw");
	size = info.value_size;
	if (info.type == BPF_MAP_TYPE_PERCPU_ARRAY || info.type == BPF_MAP_TYPE_PERCPU_HASH)
		size = (size + 7) / 8 * 8 * libbpf_num_possible_cpus();
	array = info.type == BPF_MAP_TYPE_ARRAY || info.type == BPF_MAP_TYPE_PERCPU_ARRAY;
	key = calloc(1, info.key_size);
	value = calloc(1, size);
	if (!key || !value)
		return err_set(err, -ENOMEM, "out of memory");
	emit_table(emit, "entries", NULL, columns, ARRAY_SIZE(columns), "no entries");
	while (!bpf_map_get_next_key(fd, first ? NULL : key, key)) {
		auto_free char *key_text = hex(key, info.key_size), *value_text = NULL;

		first = false;
		/* Deleted between the two calls. */
		if (bpf_map_lookup_elem(fd, key, value))
			continue;
		if (array && is_zero(value, size))
			continue;
		value_text = hex(value, size);
		emit_row(emit);
		emit_cell_text(emit, key_text);
		emit_cell_text(emit, value_text);
	}
	emit_table_end(emit);
	return 0;
}

enum cli_exit cmd_map_dump(struct cli *cli)
{
	auto_view struct view view = VIEW_NONE;
	auto_emit struct emit *emit = NULL;
	struct err err = { 0 };
	enum plane_map map;
	size_t n;
	enum cli_exit exit = find_map(cli->args[0], &map);
	int code;

	if (!exit)
		exit = view_open(cli, &view);
	if (exit)
		return exit;
	emit = cli_emit(cli);
	if (cli->options[0])
		code = emit_raw(view.plane.map_fd[map], emit, &err);
	else
		code = mapview_emit(&view, map, NULL, emit, &n, &err);
	return code ? cli_fail(CLI_FAILED, "map dump %s: %s", cli->args[0], err.text) : CLI_DONE;
}

enum cli_exit cmd_map_get(struct cli *cli)
{
	auto_view struct view view = VIEW_NONE;
	struct emit *emit;
	struct map_key key;
	struct err err = { 0 };
	enum plane_map map;
	size_t n = 0;
	enum cli_exit exit = find_map(cli->args[0], &map);
	int code;

	if (!exit)
		exit = view_open(cli, &view);
	if (exit)
		return exit;
	code = mapview_key(&view, map, cli->args[1], &key, &err);
	if (code)
		return cli_fail(code == -ENOENT ? CLI_NONE : CLI_USAGE, "map get %s: %s", cli->args[0], err.text);
	emit = cli_emit(cli);
	code = mapview_emit(&view, map, &key, emit, &n, &err);
	if (code || !n) {
		emit_drop(emit);
		return code ? cli_fail(CLI_FAILED, "map get %s: %s", cli->args[0], err.text) :
			      cli_fail(CLI_NONE, "%s has no entry %s", cli->args[0], cli->args[1]);
	}
	emit_free(emit);
	return CLI_DONE;
}
