#pragma once

/// \file
/// Everything at once.

#include "sluice/admin.h"
#include "sluice/client.h"
#include "sluice/consumer.h"
#include "sluice/message.h"
#include "sluice/producer.h"
#include "sluice/result.h"
