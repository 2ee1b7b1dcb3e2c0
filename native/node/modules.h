#pragma once

#include <napi.h>

// The parts of the addon: each adds its functions and classes to `exports`. Nothing here is shared
// between the environments (threads) that load the addon.
namespace bygone::js {

void ExportFileFunctions(Napi::Object exports);
void ExportProcessFunctions(Napi::Object exports);
void ExportMountSync(Napi::Object exports);
void ExportGuards(Napi::Object exports);
void ExportSession(Napi::Object exports);
void ExportChunkStage(Napi::Object exports);
void ExportSuccession(Napi::Object exports);
void ExportBackgroundSync(Napi::Object exports);

}  // namespace bygone::js
