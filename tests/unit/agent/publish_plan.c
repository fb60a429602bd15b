/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is written to get from what an etcd has to what is wanted: nothing but differences, in order, in
 * transactions that an etcd takes. What a snapshot is as objects: tests/unit/feed/encode.c.
 */
#include "unit/core/rows.h"

#include <errno.h>
#include <stdio.h>

#include "agent/publish_plan.h"
#include "core/defs.h"
#include "feed/encode.h"

/* In place of the real one: "KIND/SPACE/NAME=VALUE" for each object, "*N" for a value of N bytes. */
static const char *const *objects;

int encode_snapshot(const struct snapshot *snapshot, enum encode_what what, encode_fn each, void *user)
{
	assert_int_equal(what, ENCODE_GLOBAL);
	for (size_t i = 0; objects[i]; i++) {
		char text[256], *kind = text, *space, *name, *value;
		auto_free char *large = NULL;
		size_t len;
		int rc;

		strcpy(text, objects[i]);
		value = strchr(text, '=');
		*value++ = '\0';
		space = strchr(kind, '/');
		*space++ = '\0';
		name = strchr(space, '/');
		*name++ = '\0';
		len = *value == '*' ? strtoul(value + 1, NULL, 10) : strlen(value);
		if (*value == '*')
			value = large = calloc(1, len + 1);
		rc = each(user, kind, space, name, value, len);
		if (rc)
			return rc;
	}
	return 0;
}

static struct publish_wanted *want(const char *const *list)
{
	struct publish_wanted *wanted;

	objects = list;
	assert_int_equal(publish_wanted_new(NULL, &wanted), 0);
	return wanted;
}

/* "+KEY -KEY ..." */
static void check(const struct publish_wanted *wanted, const struct publish_present *present,
		  const char *ops)
{
	struct publish_plan plan;
	char text[1024] = "";

	assert_int_equal(publish_plan(wanted, present, &plan), 0);
	for (size_t i = 0; i < plan.n; i++) {
		assert_int_equal(i < plan.puts, plan.ops[i].item != NULL);
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%c%s", i ? " " : "",
			 plan.ops[i].item ? '+' : '-', plan.ops[i].key);
	}
	assert_string_equal(text, ops);
	publish_plan_done(&plan);
}

static void carry_out(const struct publish_wanted *wanted, struct publish_present *present)
{
	struct publish_plan plan;

	assert_int_equal(publish_plan(wanted, present, &plan), 0);
	assert_int_equal(publish_done(present, plan.ops, plan.n), 0);
	publish_plan_done(&plan);
}

static const char *const shop[] = { "services/shop/web=1", "serviceexports/shop/web=1",
				    "endpointslices/shop/web-b=1", "nodes//e2=1", "nodes//e1=1",
				    "endpointslices/shop/web-a=1", NULL };
static const char *const none[] = { NULL };

/* What an etcd had of shop, and what is wanted now. */
static const struct row {
	const char *name, *wanted[8], *ops;
} rows_of_changes[] = {
	{ "what is as before is not written",
	  { "nodes//e1=1", "nodes//e2=1", "endpointslices/shop/web-a=1", "endpointslices/shop/web-b=1",
	    "services/shop/web=1", "serviceexports/shop/web=1" }, "" },
	{ "a value that changed is put",
	  { "nodes//e1=1", "nodes//e2=2", "endpointslices/shop/web-a=1", "endpointslices/shop/web-b=1",
	    "services/shop/web=1", "serviceexports/shop/web=1" }, "+nodes/e2" },
	{ "what is gone is deleted, what points before what is pointed to",
	  { "nodes//e1=1" },
	  "-serviceexports/shop/web -services/shop/web -endpointslices/shop/web-a "
	  "-endpointslices/shop/web-b -nodes/e2" },
	{ "puts come before deletes",
	  { "nodes//e1=1", "nodes//e3=1", "endpointslices/shop/web-a=1", "endpointslices/shop/web-c=1",
	    "services/shop/web=1", "serviceexports/shop/web=1" },
	  "+nodes/e3 +endpointslices/shop/web-c -endpointslices/shop/web-b -nodes/e2" },
	{ "names that begin alike are others",
	  { "nodes//e1=1", "nodes//e2=1", "endpointslices/shop/web-a=1", "endpointslices/shop/web-b=1",
	    "services/shop/we=1", "serviceexports/shop/web=1" }, "+services/shop/we -services/shop/web" },
};

static void run_change(void **state)
{
	const struct row *row = *state;
	struct publish_wanted *before = want(shop), *wanted = want(row->wanted);
	struct publish_present *present;

	assert_int_equal(publish_present_new(&present), 0);
	carry_out(before, present);
	check(wanted, present, row->ops);
	carry_out(wanted, present);
	check(wanted, present, "");
	publish_present_free(present);
	publish_wanted_free(before);
	publish_wanted_free(wanted);
}

static void an_empty_etcd_gets_all_in_order(void **state)
{
	struct publish_wanted *wanted = want(shop);
	struct publish_present *present;

	assert_int_equal(publish_present_new(&present), 0);
	check(wanted, present,
	      "+nodes/e1 +nodes/e2 +endpointslices/shop/web-a +endpointslices/shop/web-b "
	      "+services/shop/web +serviceexports/shop/web");
	publish_present_free(present);
	publish_wanted_free(wanted);
}

static void found(struct publish_present *present, const char *key, bool ours)
{
	assert_int_equal(publish_list_found(present, key, strlen(key), ours), 0);
}

/* Of an earlier publisher: its values are not known, and what it had besides goes. */
static void a_list_of_others_is_written_again_and_swept(void **state)
{
	struct publish_wanted *wanted = want(shop);
	struct publish_present *present;

	assert_int_equal(publish_present_new(&present), 0);
	publish_list_begin(present);
	found(present, "nodes/e1", false);
	found(present, "nodes/old", false);
	found(present, "services/shop/old", true);
	publish_list_end(present);
	check(wanted, present,
	      "+nodes/e1 +nodes/e2 +endpointslices/shop/web-a +endpointslices/shop/web-b "
	      "+services/shop/web +serviceexports/shop/web -services/shop/old -nodes/old");
	publish_present_free(present);
	publish_wanted_free(wanted);
}

/* The list that verifies, or is made from time to time. */
static void a_later_list_finds_what_moved_or_went(void **state)
{
	struct publish_wanted *wanted = want(shop);
	struct publish_present *present;

	assert_int_equal(publish_present_new(&present), 0);
	carry_out(wanted, present);
	publish_list_begin(present);
	found(present, "nodes/e1", true);
	found(present, "nodes/e2", false); /* under another lease */
	found(present, "endpointslices/shop/web-a", true);
	found(present, "services/shop/web", true);
	found(present, "serviceexports/shop/web", true);
	found(present, "services/shop/more", false);
	publish_list_end(present);
	check(wanted, present, "+nodes/e2 +endpointslices/shop/web-b -services/shop/more");
	publish_present_doubt(present);
	check(wanted, present,
	      "+nodes/e1 +nodes/e2 +endpointslices/shop/web-a +endpointslices/shop/web-b "
	      "+services/shop/web +serviceexports/shop/web -services/shop/more");
	publish_present_free(present);
	publish_wanted_free(wanted);
}

static void what_is_no_object_of_ours_is_never_deleted(void **state)
{
	static const char *const keys[] = { "configmaps/shop/x", "nodes", "node/x", "nodesx/a", "/x", "",
					    ".complete", "secrets/a/b" };
	struct publish_wanted *wanted = want(none);
	struct publish_present *present;

	assert_int_equal(publish_present_new(&present), 0);
	publish_list_begin(present);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		found(present, keys[i], true);
	assert_int_equal(publish_list_found(present, "nodes/a\0b", 9, true), 0);
	publish_list_end(present);
	check(wanted, present, "");
	publish_present_free(present);
	publish_wanted_free(wanted);
}

/* ---- transactions ---- */

static void transactions_end_at_128_operations(void **state)
{
	struct publish_op ops[300] = { { NULL, NULL } };
	struct publish_plan plan = { ops, 300, 0 };

	for (size_t i = 0; i < 300; i++)
		ops[i].key = "nodes/a";
	assert_int_equal(publish_batch(&plan, 0), 128);
	assert_int_equal(publish_batch(&plan, 128), 128);
	assert_int_equal(publish_batch(&plan, 256), 44);
	assert_int_equal(publish_batch(&plan, 300), 0);
}

static void transactions_end_at_a_mebibyte(void **state)
{
	/* 7 bytes of key and 64 of frame. */
	struct publish_item half = { .len = 512 * 1024 - 71 }, more = { .len = 512 * 1024 - 70 },
			    whole = { .len = PUBLISH_MAX_VALUE };
	struct publish_op ops[] = { { &half, "nodes/a" }, { &half, "nodes/b" }, { &half, "nodes/c" },
				    { &more, "nodes/d" }, { &whole, "nodes/e" }, { NULL, "nodes/f" } };
	struct publish_plan plan = { ops, ARRAY_SIZE(ops), 5 };

	assert_int_equal(publish_batch(&plan, 0), 2);
	assert_int_equal(publish_batch(&plan, 2), 1);
	assert_int_equal(publish_batch(&plan, 3), 1);
	assert_int_equal(publish_batch(&plan, 4), 1);
	assert_int_equal(publish_batch(&plan, 5), 1);
}

static void a_value_that_no_etcd_takes_is_named_and_left_out(void **state)
{
	static const char *const list[] = { "nodes//a=*1433600", "endpointslices/shop/b=*1433601",
					    "nodes//c=*1433601", NULL };
	struct publish_wanted *wanted = want(list);

	assert_int_equal(wanted->n, 1);
	assert_string_equal(wanted->items[0].key, "nodes/a");
	assert_int_equal(wanted->items[0].len, 1433600);
	assert_int_equal(wanted->n_too_large, 2);
	assert_string_equal(wanted->too_large[0],
			    "endpointslices shop/b is not published: its 1433601 bytes are more than an "
			    "etcd takes (1433600)");
	assert_memory_equal(wanted->too_large[1], "nodes c is", 10);
	publish_wanted_free(wanted);
}

static void shares_are_counted(void **state)
{
	struct publish_wanted *wanted = want(shop);

	assert_ptr_equal(publish_wanted_share(wanted), wanted);
	publish_wanted_free(wanted);
	assert_string_equal(wanted->items[0].key, "nodes/e1");
	publish_wanted_free(wanted);
	publish_wanted_free(NULL);
}

int main(void)
{
	static struct rows rows;

	ROWS_ADD_TABLE(&rows, run_change, rows_of_changes);
	ROWS_ADD_TEST(&rows, an_empty_etcd_gets_all_in_order);
	ROWS_ADD_TEST(&rows, a_list_of_others_is_written_again_and_swept);
	ROWS_ADD_TEST(&rows, a_later_list_finds_what_moved_or_went);
	ROWS_ADD_TEST(&rows, what_is_no_object_of_ours_is_never_deleted);
	ROWS_ADD_TEST(&rows, transactions_end_at_128_operations);
	ROWS_ADD_TEST(&rows, transactions_end_at_a_mebibyte);
	ROWS_ADD_TEST(&rows, a_value_that_no_etcd_takes_is_named_and_left_out);
	ROWS_ADD_TEST(&rows, shares_are_counted);
	return rows_run("publish_plan", &rows);
}
