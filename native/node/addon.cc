#include <napi.h>

#include "node/modules.h"

// The addon: src/base/native.ts says what each call means.
namespace {

Napi::Object Initialize(Napi::Env, Napi::Object exports) {
  bygone::js::ExportFileFunctions(exports);
  bygone::js::ExportProcessFunctions(exports);
  bygone::js::ExportMountSync(exports);
  bygone::js::ExportSuccession(exports);
  bygone::js::ExportGuards(exports);
  bygone::js::ExportSession(exports);
  bygone::js::ExportChunkStage(exports);
  bygone::js::ExportBackgroundSync(exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(bygone_native, Initialize)
