/* What clients may do, as the command line gives it and as lists show it. */
#pragma once

#include "base/problem.h"
#include "wire/node-interface.h"

#define PERMISSIONS_DEFAULT   "list,sign" /* a signer's */
#define PERMISSIONS_TEXT_SIZE 64

/* "list,sign" as a mask of (1 << NodePermission). Errors: CTL_E_USAGE an unknown one, which is named. */
int permissions_parse(const char *text, unsigned *ret_permissions, Problem *problem) _must_check_;
/* What AuthorizeClient takes: the strings are the table's own, nothing is to be released. Returns how many. */
size_t permissions_list(unsigned permissions, NodeText ret_list[NODE_PERMISSION_MAX]);
void permissions_format(unsigned permissions, char ret_text[PERMISSIONS_TEXT_SIZE]);
