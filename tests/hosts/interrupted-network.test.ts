import { interruptions } from "./interruptions.ts";

interruptions("the network is cut");
