// What of libfuse is used, found in the library when it is loaded. For the files named fuse_*.
#pragma once

#define FUSE_USE_VERSION 35
#include <fuse_lowlevel.h>

#include "base/error.h"

namespace backstay::mount {

struct FuseLibrary {
  decltype(::fuse_session_new)* session_new = nullptr;
  decltype(::fuse_session_destroy)* session_destroy = nullptr;
  decltype(::fuse_session_mount)* session_mount = nullptr;
  decltype(::fuse_session_unmount)* session_unmount = nullptr;
  decltype(::fuse_session_fd)* session_fd = nullptr;
  decltype(::fuse_session_exit)* session_exit = nullptr;
  decltype(::fuse_session_exited)* session_exited = nullptr;
  decltype(::fuse_session_receive_buf)* session_receive_buf = nullptr;
  decltype(::fuse_session_process_buf)* session_process_buf = nullptr;
  decltype(::fuse_set_log_func)* set_log_func = nullptr;
  decltype(::fuse_req_userdata)* req_userdata = nullptr;
  decltype(::fuse_req_interrupted)* req_interrupted = nullptr;
  decltype(::fuse_reply_err)* reply_err = nullptr;
  decltype(::fuse_reply_none)* reply_none = nullptr;
  decltype(::fuse_reply_entry)* reply_entry = nullptr;
  decltype(::fuse_reply_attr)* reply_attr = nullptr;
  decltype(::fuse_reply_readlink)* reply_readlink = nullptr;
  decltype(::fuse_reply_open)* reply_open = nullptr;
  decltype(::fuse_reply_buf)* reply_buf = nullptr;
  decltype(::fuse_reply_statfs)* reply_statfs = nullptr;
  decltype(::fuse_reply_xattr)* reply_xattr = nullptr;
  decltype(::fuse_reply_lseek)* reply_lseek = nullptr;
  decltype(::fuse_add_direntry)* add_direntry = nullptr;
  decltype(::fuse_add_direntry_plus)* add_direntry_plus = nullptr;
};

// unsupported where it is not installed.
Result<const FuseLibrary*> fuse_library();

}  // namespace backstay::mount
