// SPDX-License-Identifier: MIT
//
// settings_file.c - /etc/fastalloc.conf, as a whole process sees it: it rules over the defaults and under the variable and
// fastalloc_option_set, and its faults are passed over in silence. The program starts itself where /etc
// is a folder of the test's own: in namespaces, so that no file of the system is touched and the test need not be root.
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "../support.h"

#include "../children.h"

static const char path[] = "/etc/fastalloc.conf";

enum
{
    no_namespaces = 77
};

static int has_value(const char *name, const char *wanted)
{
    char value[64] = "";
    return fastalloc_option_get(name, value, sizeof value) > 0 && strcmp(value, wanted) == 0;
}

// ---- where the program begins anew ---------------------------------------------------------------------------------------

static const char *text; // of the file; NULL: there is none
static mode_t permissions;
static const char *real_name; // what it is a link to; NULL: it is none

static int write_file(const char *name, const char *what, mode_t mode)
{
    const int file = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    const size_t length = strlen(what);
    return file >= 0 && write(file, what, length) == (ssize_t)length && (mode == 0 || fchmod(file, mode) == 0) &&
           close(file) == 0;
}

static int write_map(const char *name, unsigned id)
{
    char map[32];
    snprintf(map, sizeof map, "0 %u 1", id);
    return write_file(name, map, 0);
}

// Whether this process is root in namespaces of its own; a system may have none for ordinary users.
static int enter_namespaces(void)
{
    const unsigned user = geteuid(), group = getegid();
    if (user == 0)
        return unshare(CLONE_NEWNS) == 0;
    return unshare(CLONE_NEWNS | CLONE_NEWUSER) == 0 && write_file("/proc/self/setgroups", "deny", 0) &&
           write_map("/proc/self/uid_map", user) && write_map("/proc/self/gid_map", group);
}

static void have_the_file_in_place(void)
{
    if (!enter_namespaces() || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", "/etc", "tmpfs", 0, "mode=755") != 0)
        _exit(no_namespaces);
    if (text && !write_file(real_name ? real_name : path, text, permissions))
        _exit(1);
    if (text && real_name && symlink(real_name, path) != 0)
        _exit(1);
}

static void assert_succeeds_with(const struct mode *mode, const char *file, mode_t file_permissions)
{
    struct finished_program finished;
    text = file;
    permissions = file_permissions;
    setenv("FASTALLOC_CONF", mode->settings, 1);
    run_self(&finished, mode->name, NULL, have_the_file_in_place);
    unsetenv("FASTALLOC_CONF");
    if (WIFEXITED(finished.status) && WEXITSTATUS(finished.status) == no_namespaces)
    {
        print_message("# not tried: this system has no namespaces for this user\n");
        return;
    }
    assert_succeeded(&finished);
    assert_string_equal(finished.errors, "");
}

// ---- in the program that was started anew --------------------------------------------------------------------------------

static void have_defaults(void)
{
    require(has_value("slack", "4M") && has_value("huge", "auto"));
}

static void obey_the_file(void)
{
    require(has_value("slack", "1M") && has_value("huge", "never") && has_value("lease_fund", "16M"));
}

static void obey_the_variable_then_the_file(void)
{
    require(has_value("slack", "2M") && has_value("huge", "never") && has_value("lease_fund", "3M"));
    require(fastalloc_option_set("slack", "5M") == 0 && has_value("slack", "5M"));
}

static const struct mode defaults = {"defaults", have_defaults, ""};
static const struct mode obeys = {"obeys", obey_the_file, ""};
static const struct mode obeys_both = {"obeys_both", obey_the_variable_then_the_file, "slack=2M,lease_fund=3M"};

// ---- the tests -----------------------------------------------------------------------------------------------------------

static const char two_settings[] = "# of this machine\nslack = 1M\nhuge = never\n";

static void without_a_file_nothing_changes(void **state)
{
    (void)state;
    assert_succeeds_with(&defaults, NULL, 0);
}

static void the_file_rules_over_the_defaults(void **state)
{
    (void)state;
    assert_succeeds_with(&obeys, two_settings, 0644);
}

static void the_variable_rules_over_the_file_and_a_call_over_both(void **state)
{
    (void)state;
    assert_succeeds_with(&obeys_both, two_settings, 0644);
}

static void faults_are_passed_over_in_silence(void **state)
{
    (void)state;
    assert_succeeds_with(&obeys, "sluck=1M\nslack=1M\nslack=x\nhuge=never\n", 0644);
}

static void a_file_that_others_may_write_does_not_count(void **state)
{
    (void)state;
    assert_succeeds_with(&defaults, two_settings, 0664);
    assert_succeeds_with(&defaults, two_settings, 0646);
}

static void a_link_is_followed(void **state)
{
    (void)state;
    real_name = "/etc/elsewhere.conf";
    assert_succeeds_with(&obeys, two_settings, 0644);
    assert_succeeds_with(&defaults, two_settings, 0666);
    real_name = NULL;
}

int main(int count, char **arguments)
{
    const struct mode modes[] = {defaults, obeys, obeys_both};
    run_mode(modes, sizeof modes / sizeof *modes, count, arguments);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_file_nothing_changes),
        cmocka_unit_test(the_file_rules_over_the_defaults),
        cmocka_unit_test(the_variable_rules_over_the_file_and_a_call_over_both),
        cmocka_unit_test(faults_are_passed_over_in_silence),
        cmocka_unit_test(a_file_that_others_may_write_does_not_count),
        cmocka_unit_test(a_link_is_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
