#include "http/curl_library.h"

#include "base/try.h"
#include "io/shared_library.h"

namespace backstay::http {
namespace {

Result<CurlLibrary> load() {
  const io::SharedLibrary library = TRY(io::SharedLibrary::load("libcurl.so.4", "libcurl4"));
  CurlLibrary curl;
  TRY(library.find("curl_global_init", curl.global_init));
  TRY(library.find("curl_easy_init", curl.easy_init));
  TRY(library.find("curl_easy_cleanup", curl.easy_cleanup));
  TRY(library.find("curl_easy_setopt", curl.easy_setopt));
  TRY(library.find("curl_easy_perform", curl.easy_perform));
  TRY(library.find("curl_easy_getinfo", curl.easy_getinfo));
  TRY(library.find("curl_easy_strerror", curl.easy_strerror));
  TRY(library.find("curl_easy_reset", curl.easy_reset));
  TRY(library.find("curl_multi_init", curl.multi_init));
  TRY(library.find("curl_multi_cleanup", curl.multi_cleanup));
  TRY(library.find("curl_multi_add_handle", curl.multi_add_handle));
  TRY(library.find("curl_multi_remove_handle", curl.multi_remove_handle));
  TRY(library.find("curl_multi_perform", curl.multi_perform));
  TRY(library.find("curl_multi_poll", curl.multi_poll));
  TRY(library.find("curl_multi_info_read", curl.multi_info_read));
  TRY(library.find("curl_slist_append", curl.slist_append));
  TRY(library.find("curl_slist_free_all", curl.slist_free_all));
  if (curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
    return fail(ErrorCode::kInternal, "libcurl cannot be initialised");
  }
  return curl;
}

}  // namespace

Result<const CurlLibrary*> curl_library() {
  static const Result<CurlLibrary> loaded = load();
  if (!loaded) return std::unexpected(loaded.error().clone());
  return &*loaded;
}

}  // namespace backstay::http
