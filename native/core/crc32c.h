#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace bygone {

// CRC-32C (Castagnoli, reflected 0x82F63B78) of bytes, continuing from the CRC of what came before
// (0 at first). Uses the processor's instruction where it has one.
uint32_t Crc32c(std::span<const std::byte> bytes, uint32_t seed);

// The same by tables on any processor.
uint32_t Crc32cByTables(std::span<const std::byte> bytes, uint32_t seed);

}  // namespace bygone
