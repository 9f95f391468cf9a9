// SPDX-License-Identifier: GPL-3.0-or-later
// A module of the name service switch: accounts that no /etc/passwd has, as those of LDAP or SSSD. They stand in files
// of the same form in /etc/directory.

#include <errno.h>
#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#define FIND(type, name, read, file, condition)                                                                        \
    enum nss_status name {                                                                                             \
        FILE *stream = fopen(file, "re");                                                                              \
        if (!stream)                                                                                                   \
            return NSS_STATUS_NOTFOUND;                                                                                \
        struct type *entry;                                                                                            \
        int failed;                                                                                                    \
        while (!(failed = read(stream, result, buffer, length, &entry)) && !(condition))                               \
            ;                                                                                                          \
        fclose(stream);                                                                                                \
        *error = failed;                                                                                               \
        return !failed ? NSS_STATUS_SUCCESS : failed == ERANGE ? NSS_STATUS_TRYAGAIN : NSS_STATUS_NOTFOUND;            \
    }

#define PASSWD "/etc/directory/passwd"
#define GROUP "/etc/directory/group"
#define REST(type) struct type *result, char *buffer, size_t length, int *error

FIND(passwd, _nss_directory_getpwnam_r(const char *name, REST(passwd)), fgetpwent_r, PASSWD,
     !strcmp(entry->pw_name, name))
FIND(passwd, _nss_directory_getpwuid_r(uid_t uid, REST(passwd)), fgetpwent_r, PASSWD, entry->pw_uid == uid)
FIND(group, _nss_directory_getgrnam_r(const char *name, REST(group)), fgetgrent_r, GROUP, !strcmp(entry->gr_name, name))
FIND(group, _nss_directory_getgrgid_r(gid_t gid, REST(group)), fgetgrent_r, GROUP, entry->gr_gid == gid)
