/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Pins in bpffs. Names may not contain a dot there, so a pin that is about to replace another one
 * bears the mark "-new". Not for: what the pins mean (plane.c, attach.c).
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <bpf/bpf.h>

#include "core/defs.h"
#include "plane/pin.h"

int pin_put(int fd, const char *path, struct err *err)
{
	char fresh[PIN_PATH_MAX + 8];
	int code;

	snprintf(fresh, sizeof(fresh), "%s-new", path);
	/* Left by a process that ended between the two steps. */
	unlink(fresh);
	if (bpf_obj_pin(fd, fresh)) {
		code = -errno;
		return err_set(err, code, "cannot pin %s: %s", fresh, strerror(-code));
	}
	if (rename(fresh, path)) {
		code = -errno;
		unlink(fresh);
		return err_set(err, code, "cannot rename %s to %s: %s", fresh, path,
			       strerror(-code));
	}
	return 0;
}

int pin_dir_make(const char *path, struct err *err)
{
	int code;

	if (!mkdir(path, 0700) || errno == EEXIST)
		return 0;
	code = -errno;
	return err_set(err, code, "cannot make %s: %s", path, strerror(-code));
}

static int remove_one(const char *path, const char *name, struct err *err)
{
	char full[PIN_PATH_MAX + NAME_MAX + 2];
	int code;

	snprintf(full, sizeof(full), "%s/%s", path, name);
	if (!unlink(full) || errno == ENOENT)
		return 0;
	code = -errno;
	return err_set(err, code, "cannot remove %s: %s", full, strerror(-code));
}

int pin_dir_clear(const char *path, const char *last, struct err *err)
{
	struct dirent *entry;
	int code = 0;
	DIR *dir;

	dir = opendir(path);
	if (!dir) {
		code = -errno;
		if (code == -ENOENT)
			return 0;
		return err_set(err, code, "cannot read %s: %s", path, strerror(-code));
	}
	while (!code && (entry = readdir(dir))) {
		if (entry->d_type == DT_DIR || (last && !strcmp(entry->d_name, last)))
			continue;
		code = remove_one(path, entry->d_name, err);
	}
	closedir(dir);
	if (!code && last)
		code = remove_one(path, last, err);
	return code;
}

int pin_dir_remove(const char *path, const char *last, struct err *err)
{
	int code = pin_dir_clear(path, last, err);

	if (!code && rmdir(path) && errno != ENOENT) {
		code = -errno;
		err_set(err, code, "cannot remove %s: %s", path, strerror(-code));
	}
	return code;
}

bool pin_dir_empty(const char *path)
{
	struct dirent *entry;
	bool empty = true;
	DIR *dir;

	dir = opendir(path);
	if (!dir)
		return true;
	while (empty && (entry = readdir(dir)))
		empty = !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..");
	closedir(dir);
	return empty;
}

uint32_t pin_prog_id(int prog_fd)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);

	if (prog_fd < 0 || bpf_obj_get_info_by_fd(prog_fd, &info, &len))
		return 0;
	return info.id;
}

uint32_t pin_map_id(int map_fd)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	if (map_fd < 0 || bpf_obj_get_info_by_fd(map_fd, &info, &len))
		return 0;
	return info.id;
}
