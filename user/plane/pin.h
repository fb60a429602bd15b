/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Pins in bpffs: names, atomic replacement, removal. Internal to plane. */
#ifndef XMESH_PLANE_PIN_H
#define XMESH_PLANE_PIN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"

#define PIN_PATH_MAX 384 /* plane->dir, a folder, a name and the mark of a pin being replaced */

/* Pin @fd at @path; what is pinned there is replaced in one step (rename). Errors of bpf(2). */
int pin_put(int fd, const char *path, struct err *err);
/* A folder for pins; one that exists is fine. */
int pin_dir_make(const char *path, struct err *err);
/*
 * Unlink every pin in @path but @last, then @last (may be NULL). 0 also when there is no such
 * folder. pin_dir_remove(): then the folder itself.
 */
int pin_dir_clear(const char *path, const char *last, struct err *err);
int pin_dir_remove(const char *path, const char *last, struct err *err);
/* True when nothing is in @path or there is no such folder. */
bool pin_dir_empty(const char *path);

/* The kernel's id of the program or map behind @fd; 0 when it has none. */
uint32_t pin_prog_id(int prog_fd);
uint32_t pin_map_id(int map_fd);

#endif
