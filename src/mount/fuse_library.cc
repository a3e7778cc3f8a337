#include "mount/fuse_library.h"

#include "base/try.h"
#include "io/shared_library.h"

namespace backstay::mount {

namespace {

Result<FuseLibrary> load_fuse() {
  const io::SharedLibrary library = TRY(io::SharedLibrary::load("libfuse3.so.3", "fuse3"));
  FuseLibrary fuse;
  TRY(library.find("fuse_session_new", fuse.session_new));
  TRY(library.find("fuse_session_destroy", fuse.session_destroy));
  TRY(library.find("fuse_session_mount", fuse.session_mount));
  TRY(library.find("fuse_session_unmount", fuse.session_unmount));
  TRY(library.find("fuse_session_fd", fuse.session_fd));
  TRY(library.find("fuse_session_exit", fuse.session_exit));
  TRY(library.find("fuse_session_exited", fuse.session_exited));
  TRY(library.find("fuse_session_receive_buf", fuse.session_receive_buf));
  TRY(library.find("fuse_session_process_buf", fuse.session_process_buf));
  TRY(library.find("fuse_set_log_func", fuse.set_log_func));
  TRY(library.find("fuse_req_userdata", fuse.req_userdata));
  TRY(library.find("fuse_req_interrupted", fuse.req_interrupted));
  TRY(library.find("fuse_reply_err", fuse.reply_err));
  TRY(library.find("fuse_reply_none", fuse.reply_none));
  TRY(library.find("fuse_reply_entry", fuse.reply_entry));
  TRY(library.find("fuse_reply_attr", fuse.reply_attr));
  TRY(library.find("fuse_reply_readlink", fuse.reply_readlink));
  TRY(library.find("fuse_reply_open", fuse.reply_open));
  TRY(library.find("fuse_reply_buf", fuse.reply_buf));
  TRY(library.find("fuse_reply_statfs", fuse.reply_statfs));
  TRY(library.find("fuse_reply_xattr", fuse.reply_xattr));
  TRY(library.find("fuse_reply_lseek", fuse.reply_lseek));
  TRY(library.find("fuse_add_direntry", fuse.add_direntry));
  TRY(library.find("fuse_add_direntry_plus", fuse.add_direntry_plus));
  return fuse;
}

}  // namespace

Result<const FuseLibrary*> fuse_library() {
  static const Result<FuseLibrary> loaded = load_fuse();
  if (!loaded) return std::unexpected(loaded.error().clone());
  return &*loaded;
}

}  // namespace backstay::mount
