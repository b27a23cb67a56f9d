import { interruptions } from "./interruptions.ts";

interruptions("the laptop is closed");
